"""Networks, their truncation, their initial weights and the proof of both."""
