"""The process kubelet: plays all workers of a kind configuration; each pod is a process with a loopback address."""
