"""WebSocket frames through the proxy, judged by a real implementation behind it."""
