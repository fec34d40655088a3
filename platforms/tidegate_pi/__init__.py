"""Only what a Raspberry Pi adds to the Linux platform; nothing here is imported elsewhere.

- `board`: the attendant that has all of it; `check`: what could lose data on such a machine
- `tree`: the device tree and sysfs as texts, model and serial number
- `sensors`: temperature, throttling, under-voltage
- `led`: the ACT LED; `watchdog`: /dev/watchdog
- `power`: what is done when the power fails; `gpio`: the input that says so, through libgpiod
- `medium`: the file system of the data folder: how it is mounted, on which card, read-only at once
"""
