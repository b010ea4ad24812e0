"""What the numbers of a mask mean, wherever masks are read, cached, learned or compared."""

from __future__ import annotations

NO, YES, UNKNOWN = 0, 1, 255
"""A pixel does not belong to the structure, it does, or nobody knows."""
