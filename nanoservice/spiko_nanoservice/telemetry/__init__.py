"""Records of a pod's requests: trace context, spans, counters, latencies, metrics."""
