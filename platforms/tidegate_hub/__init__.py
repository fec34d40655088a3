"""The hub: receives batches over HTTP and applies every record once, in a database of its owner.

What is where, in the order in which a batch meets it:

- `serve`: the process: socket, signals, start and end
- `app`: HTTP: routes, the order of the checks, JSON answers; `body`: bounded reading of requests
- `tokens`, `rate`: who may send, and how often; `metrics`: what was counted
- `receiver`: bytes in, answer out; uses the core's `batch`, `ledger` and `receipt`
- `store`: one batch, one transaction; `rows`: records as rows; `topic_ids`: topics as numbers
- `database`, `tables`: SQLite and PostgreSQL, and the schema
- `errors`: why a hub does not start, and why a batch is not applied
"""
