"""The Kubernetes operator: resource models, the pure planner, and a thin kopf shell."""
