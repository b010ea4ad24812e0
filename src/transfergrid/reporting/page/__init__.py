"""The parts of the page, from plain values to what its template shows."""
