"""Data captured from a real API server, by `capture.py` in the tests of this package."""
