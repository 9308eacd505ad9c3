"""The process kubelet: plays all workers of a kind configuration.

Each pod is a process with a loopback address.
"""
