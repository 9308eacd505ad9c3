"""A Kubernetes API server and core controllers for development, in Python."""
