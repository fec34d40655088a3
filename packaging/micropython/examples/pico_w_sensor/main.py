"""A Pico W that measures: its own temperature every ten seconds, a sensor's every minute.

    tidegate deploy --port /dev/ttyACM0 -c config.json --main main.py

What is measured is on flash at most 30 seconds later (journal.sync_interval_ms), and at the gateway
as soon as there is a way.  Without a network it goes on, and the flash holds it.
"""

import machine

import tidegate_micropython

sensor = machine.ADC(machine.ADC.CORE_TEMP)


def chip_temperature():
    """Return what the chip's own sensor says, in degrees Celsius (RP2040 data sheet, 4.9.5)."""
    volts = sensor.read_u16() * 3.3 / 65535
    return round(27 - (volts - 0.706) / 0.001721, 1)


def climate():
    """Return what your sensor says: a number, a text, bytes, or a dict, which is sent as JSON.

    For a BME280 on I2C this is the place to ask its driver.  What it raises is logged and counted,
    and the other readings go on.
    """
    return {"chip": chip_temperature()}


node = tidegate_micropython.start("config.json")
node.every(10, "greenhouse/1/chip", chip_temperature)
node.every(60, "greenhouse/1/climate", climate)
node.run()
