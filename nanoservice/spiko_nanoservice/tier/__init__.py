"""One pod of one tier: its requests, its calls, and its registration with the eurekas."""
