"""An API server that needs nothing but Python: the part of Kubernetes' API that a local cluster uses, with its semantics."""
