"""The transport of the endpoint: sockets, TLS and WebSocket around the broker, in one thread.

It decides nothing about MQTT: bytes go to the broker, and what the broker wants sent goes out.
"""
