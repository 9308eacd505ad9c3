"""The objects, their history, and the watches that follow them."""
