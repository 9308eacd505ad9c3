"""Receives traces over OTLP/HTTP, keeps the slowest and the failed ones in memory, and draws them."""
