"""Pure: victims, evidence and status of Faults, and the chaos monkey."""
