"""Contrasts, correlations and multiplicity over the scores of many cells."""
