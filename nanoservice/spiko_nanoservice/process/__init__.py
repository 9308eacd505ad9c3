"""The process of one pod, and the prefork template that a local cluster forks pods from."""
