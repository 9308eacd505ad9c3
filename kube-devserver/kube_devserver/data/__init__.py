"""What was written down from a real API server; `tests/cluster/capture.py` makes it."""
