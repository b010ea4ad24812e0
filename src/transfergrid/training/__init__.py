"""One fine-tuning job, from a spec to checkpoints."""
