"""From how many cells on several processes read them; apart, because analyses depend on it."""

MANY = 200
"""Fewer cells than this are read before a pool of processes has started."""
