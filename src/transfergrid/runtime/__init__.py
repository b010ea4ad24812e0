"""Files, locks, hashes, progress and the record of the environment."""
