"""The Linux platform: a gateway as a process, and the command line.

- `cli`: the commands; `shell`: a gateway as a process; `inbox`, `clock`, `log`: what it needs
- `config`, `sample`: the configuration file, and the sample of it
- `mqtt`: the source; `journal`: the journal; `http`: the uplink; `tls_faults`: why TLS failed
- `status`: what a gateway says of itself
- `attendants`: who looks after the process; `board`: the machine it runs on, where that has a part
- `check`: what could lose data, found before it does
- `demo`: the whole chain on one machine, with its faults
"""
