"""An ESP32 on a battery: wakes every five minutes, measures, and sleeps again.

    tidegate deploy --port /dev/ttyUSB0 -c config.json --main main.py

Each waking stores its readings on flash before the radio is thought of; the radio is turned on
when the oldest reading has waited for uplink.upload_interval_s, or a batch is full.  After the
sleep the board starts anew, with the first line of this file.  To deploy again, press its reset
button and begin at once.
"""

import esp32
import machine

import tidegate_micropython

SLEEP_S = 300
battery = machine.ADC(machine.Pin(35), atten=machine.ADC.ATTN_11DB)


def battery_volts():
    """Return the battery's voltage, which a divider of two equal resistors halves."""
    return round(2 * battery.read_uv() / 1_000_000, 2)


def chip_temperature():
    """Return the temperature of the chip in degrees Celsius."""
    return round((esp32.raw_temperature() - 32) / 1.8, 1)


node = tidegate_micropython.start("config.json")
node.cycle([("field/7/battery", battery_volts), ("field/7/chip", chip_temperature)], SLEEP_S)
