"""Pure: what Kubernetes does to objects when they are read, defaulted, validated, patched and selected."""
