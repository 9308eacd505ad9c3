"""Receives traces over OTLP/HTTP, keeps the telling ones in memory, and draws them."""
