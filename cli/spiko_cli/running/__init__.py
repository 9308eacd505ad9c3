"""`spiko run`: what is asked for, the run itself, what came of it."""
