"""The version can be read without parsing anything but numbers and dots."""

from tidegate.version import VERSION


def test_version_is_three_numbers():
    parts = VERSION.split(".")
    assert len(parts) == 3
    for part in parts:
        assert str(int(part)) == part, VERSION
