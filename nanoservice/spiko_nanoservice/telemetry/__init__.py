"""What a pod records of its requests: trace context, spans, counters, latencies, metrics."""
