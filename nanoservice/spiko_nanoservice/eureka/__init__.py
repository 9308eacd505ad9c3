"""The registry: the addresses of all pods, and the routing table of each."""
