"""The registry: who is where, who may see whom, and every routing table."""
