"""The command line: plan, doctor, watch, snapshot, prune."""
