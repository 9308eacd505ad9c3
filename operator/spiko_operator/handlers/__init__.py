"""One file per kind: read, plan, carry out."""
