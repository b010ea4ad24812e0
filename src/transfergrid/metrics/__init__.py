"""Metrics with the contribution of each patient; numpy and scipy alone."""
