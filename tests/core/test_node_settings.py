"""A node's settings stand in the schema's order, and have what a gateway reads of its own."""

from tidegate.config import node_schema, node_settings
from tidegate.config.settings import JournalSettings, LaneSettings


def names(table):
    return tuple(key.name for key in table.keys)


def fields(kind):
    values = [str(number) for number in range(20)]
    for count in range(20):
        try:
            record = kind(*values[:count])
        except TypeError:
            continue
        return record
    raise AssertionError("too many fields")


def test_fields_stand_in_the_order_of_the_schema():
    for kind, table in (
        (node_settings.WifiSettings, node_schema.WIFI),
        (node_settings.NodeJournalSettings, node_schema.JOURNAL),
        (node_settings.NodeLaneSettings, node_schema.LANE),
        (node_settings.BoardSettings, node_schema.BOARD),
    ):
        record = fields(kind)
        assert [getattr(record, name) for name in names(table)] == list(record)


def test_a_url_stands_taken_apart_in_its_place():
    record = fields(node_settings.NodeUplinkSettings)
    rest = [name for name in names(node_schema.UPLINK) if name != "url"]
    of_url = [record.host, record.port, record.path, record.tls]
    assert [record.type] + of_url == list(record)[:5]
    assert [getattr(record, name) for name in rest[1:]] == list(record)[5:]


def test_a_gateway_finds_what_it_reads():
    journal = fields(node_settings.NodeJournalSettings)
    for name in ("limit_bytes", "reserve_bytes", "overflow", "keep_delivered_bytes"):
        assert hasattr(journal, name) and hasattr(JournalSettings(1, 2, "", 3), name)
    lane = fields(node_settings.NodeLaneSettings)
    assert lane == LaneSettings(lane.name, lane.topics, lane.urgent)
