"""The process kubelet: plays every worker of a kind configuration and runs each pod as a process on its own loopback address."""
