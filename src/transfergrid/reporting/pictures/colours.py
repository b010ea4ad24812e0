"""Colours of outlines, in pictures and in the page's legend."""

from __future__ import annotations

TRUE, PREDICTED, BOTH = "#4fd8ff", "#ffa600", "#ffffff"
"""Of the true outline, of the predicted one, and where they coincide; for dark and grey films."""
