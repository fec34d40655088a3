"""The Linux platform: a gateway as a process, and the command line.

- `cli`: the commands; `shell`: a gateway as a process; `inbox`, `clock`, `log`: what it needs
- `config`, `sample`: the configuration file, and the sample of it
- `mqtt_source` and the other `mqtt_…`: the source; `journal` and the other `journal_…`: the journal
- `http_link`, `http_session`, `http_faults`: the uplink
- `survey`, `rates`, `metrics`, `status_server`, `status`: what a gateway says of itself
- `check`, `check_machine`, `check_hub`, `broker_check`: what could lose data, found before it does
- `demo` and the other `demo_…`: the whole chain on one machine, with its faults
"""
