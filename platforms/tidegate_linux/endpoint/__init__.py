"""The MQTT endpoint: a broker for one site, in the gateway's process; PUBACK means it is on disk.

    codec      bytes <-> packets, no I/O
    broker     sessions, subscriptions, retained messages, queues; no I/O: bytes in, bytes out
    access     users, passwords, who may publish and subscribe what
    transport  asyncio: TCP, TLS, WebSocket
    source     the gateway's port `Source` around all of it

What it promises, and how what the journal holds and what a device is told hang together, is said in
`broker.state.turns`.
"""
