"""The only code of the operator that talks to the API server."""
