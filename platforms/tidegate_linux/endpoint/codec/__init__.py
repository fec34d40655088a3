"""MQTT 3.1.1 and 5.0 packets, from bytes and to bytes, without I/O and without a session's memory.

`reader` takes apart what a client sends and refuses whatever one packet alone shows to be wrong;
`writer` encodes what a server sends; `packets`, `properties` and `reasons` are their vocabulary.
"""
