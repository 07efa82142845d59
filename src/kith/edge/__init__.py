"""Where bytes meet sockets: TCP, WebSocket, HTTP, TLS, limits. Imports `kith.core` and below."""
