"""The controllers. Each module is one controller, or the pure decisions of one; `workqueue` runs them."""
