"""Temperature and the firmware's flags, from a planted sysfs."""

import pytest

from pi.planted import PiTree
from tidegate_pi.sensors import FLAGS, Readings, Sensors, warnings_of


def test_a_board_without_any_sensor_says_nothing(tmp_path):
    assert Sensors(tmp_path).read() == Readings(None, None, ())
    assert warnings_of(Readings()) == []


def test_the_temperature_is_that_of_the_processor(tmp_path):
    tree = PiTree(tmp_path)
    assert Sensors(tmp_path).read().temperature_c == 48.3
    tree.write("sys/class/thermal/thermal_zone0/type", "rp1_adc\n")
    tree.write("sys/class/thermal/thermal_zone1/type", "cpu-thermal\n")
    tree.write("sys/class/thermal/thermal_zone1/temp", "61000\n")
    assert Sensors(tmp_path).read().temperature_c == 61.0
    tree.write("sys/class/thermal/thermal_zone1/temp", "\n")
    assert Sensors(tmp_path).read().temperature_c == 48.3


@pytest.mark.parametrize("bit", range(4))
def test_each_bit_of_the_firmware_is_one_flag(tmp_path, bit):
    tree = PiTree(tmp_path)
    tree.throttle(1 << bit)
    readings = Sensors(tmp_path).read()
    assert (readings.now, readings.seen) == ((FLAGS[bit],), (FLAGS[bit],))
    tree.throttle(1 << bit + 16)
    readings = Sensors(tmp_path).read()
    assert (readings.now, readings.seen) == ((), (FLAGS[bit],))


def test_the_firmware_of_a_pi_5_lies_elsewhere(tmp_path):
    tree = PiTree(tmp_path)
    soc = "soc@107c000000"
    tree.write(f"sys/devices/platform/{soc}/{soc}:firmware/get_throttled", "50005\n")
    assert Sensors(tmp_path).read().now == ("under_voltage", "throttled")


def test_what_was_seen_stays_though_the_kernel_clears_it(tmp_path):
    tree = PiTree(tmp_path)
    sensors = Sensors(tmp_path)
    tree.throttle(0x10000)
    sensors.read()
    tree.throttle(0)
    assert sensors.read()[1:] == ((), ("under_voltage",))


def test_a_kernel_with_hwmon_alone_tells_of_the_voltage(tmp_path):
    tree = PiTree(tmp_path)
    tree.write("sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    tree.voltage(0)
    sensors = Sensors(tmp_path)
    assert sensors.read()[1:] == ((), ())
    tree.voltage(1)
    assert sensors.read()[1:] == (("under_voltage",), ("under_voltage",))
    tree.voltage(0)
    assert sensors.read()[1:] == ((), ("under_voltage",))


def test_a_low_voltage_is_a_warning_that_says_what_to_do(tmp_path):
    now = warnings_of(Readings(50.0, ("under_voltage",), ("under_voltage",)))
    assert len(now) == 1
    assert "is too low: use the power supply" in now[0]
    before = warnings_of(Readings(50.0, (), ("under_voltage", "throttled")))
    assert len(before) == 1
    assert "has been too low: use the power supply" in before[0]
    hot = warnings_of(Readings(82.0, ("soft_temperature_limit",), ("soft_temperature_limit",)))
    assert "give it air" in hot[0]
