"""`spiko run`: its options, the run itself, and its report."""
