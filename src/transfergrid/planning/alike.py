"""How large images have to be before their looks tell which of them are near duplicates."""

LEAST_PX = 28
"""Smallest side. Of smaller images, different films have difference hashes as near as copies."""
