"""Pure: validation of manifests, beyond the schema. `checks.py` is the entry point."""
