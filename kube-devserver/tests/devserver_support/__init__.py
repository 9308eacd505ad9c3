"""Helpers of the tests of kube_devserver."""
