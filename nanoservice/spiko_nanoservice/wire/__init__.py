"""The network: an HTTP server and client, a WebSocket, and the resolution of names."""
