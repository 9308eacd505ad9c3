"""Pure: choosing the instance of a call."""
