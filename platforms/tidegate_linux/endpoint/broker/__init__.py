"""The broker: everything that decides about MQTT clients, without I/O.

`broker` composes the rest.  `delivery` is a message on its way to subscribers, `subscriptions` says
whom it reaches, `outbox` queues it for one session, `retained` keeps the last one of a topic,
`notes` packs what must survive a crash, `sys_topics` is what the broker tells of itself, `limits`
names the bounds that are not settings.
"""
