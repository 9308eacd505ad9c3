"""Access to the API server: requests, cache, events, and the execution of plans."""
