"""Where published data sets keep their tables and images; plain Python, read by both rooms."""
