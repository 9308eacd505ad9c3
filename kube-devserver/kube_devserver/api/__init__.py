"""The HTTP API: requests, responses, discovery, and every write of an object."""
