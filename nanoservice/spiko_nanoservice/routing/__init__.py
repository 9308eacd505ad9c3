"""Pure: which instance a call goes to."""
