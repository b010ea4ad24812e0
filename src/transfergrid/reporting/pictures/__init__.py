"""Test films with outlines of true and predicted masks."""
