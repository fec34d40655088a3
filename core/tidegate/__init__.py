"""The portable core of Tidegate: durable store-and-forward without I/O.

Told events, it returns effects; a platform's shell carries them out.  Runs unmodified on CPython
and MicroPython and imports nothing outside itself but `struct`, `binascii` and `collections`.

What is where:

- `engine`: runs a gateway on its `ports`; `events` go in, `effects` come out
- `gateway`: composes the packages below into one state machine; `composition`: makes one for a site
- `config`: every configuration key described once (`gateway_schema`, `endpoint_schema`,
  `hub_schema`, `node_schema`), read into `settings` and `node_settings` by `gateway_reader`,
  `hub_reader`, `node_reader`, `sources`, `reader`, `rules`, `node_rules`, `schema`, `checks`,
  `secret`, `url`, `words`, `advice`
- `records`: what is admitted, under which name, and when it was captured: `record`, `span`,
  `rewind`, `stream`, `origin`, `clock`, `topics`, `filters`, `text`
- `store`: what becomes a record, the balance, and what must go when it is full: `admission`,
  `samples`, `lane`, `room`; the port of the durable `journal`, and its bytes on flash: `frame`,
  `entry`, `segment`, `summary`; the journal made of these: `log`, a `chain` of `segments` for each
  lane with its `account`, a `finder` of records, `recovery`, `quarantine`
- `delivery`: what is sent when: `uplink`, `sender`, `fork`, `line`, `pace`, `answer`, `moment`; and
  when not: `backoff`, `retry_after`, `http_date`, `schedule`, `chance`
- `wire`: what travels: `batch` in an `envelope`, made of `parts`; how a receiver reads it:
  `opener`, `decoder`; its memory and its word: `ledger`, `reply`; how a sender reads that:
  `receipt`
- `errors`, `limits`, `version`: kinds of failure, the bounds on everything, and which one this is
"""
