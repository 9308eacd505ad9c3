"""The controllers that matter to a local cluster. `work.py` is the loop that they share; each other file is one controller, or the pure
decisions of one.
"""


