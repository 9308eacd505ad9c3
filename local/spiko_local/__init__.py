"""A local cluster without containers: control plane processes, and a kubelet that runs pods as processes."""
