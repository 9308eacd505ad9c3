"""The process of one pod, and the prefork template from which a local cluster forks pods."""
