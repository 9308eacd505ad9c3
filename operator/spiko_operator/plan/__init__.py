"""Pure planning: values in, values out; no clock, no client, no logging."""
