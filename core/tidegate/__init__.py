"""The portable core of Tidegate: durable store-and-forward without I/O.

Told events, it returns effects; a platform's shell carries them out.  Runs unmodified on CPython
and MicroPython and imports nothing outside itself but `struct`, `binascii` and `collections`.

What is where, in the order in which a message meets it:

- `topics`, `text`: MQTT's topic names and filters
- `settings`, `gateway_schema`, `hub_schema`: every configuration key, described once; `schema`,
  `settings_reader`, `settings_checks`, `settings_rules`, `secret`, `url`, `words`, `advice` read it
- `engine`: runs a gateway on its `ports`; `events` go in, `effects` come out
- `gateway`: composes the parts below into one state machine
- `admission`, `lane`, `room`: what becomes a record, the balance, and what must go when it is full
- `record`, `span`, `stream`, `clock`: what is admitted, under which name, and when it was captured
- `journal`: the port of the durable store; `frame`, `entry`, `segment`: its bytes on flash
- `uplink`, `sender`, `fork`, `line`, `pace`: what is sent when; `backoff`, `http_date`, `schedule`,
  `chance`: when not
- `batch`, `envelope`, `parts`: the wire; `ledger`, `receipt`, `answer`: the receiver's memory and
  its word
- `errors`, `limits`, `version`: kinds of failure, the bounds on everything, and which one this is
"""
