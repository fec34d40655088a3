"""A quarantined record as JSON has it, and as a person reads it."""

from typing import Any

from tidegate.errors import ProtocolError
from tidegate.records.record import QOS_MASK, RETAIN, unpack_properties
from tidegate.store.lane import QUARANTINED
from tidegate_linux.journal.quarantine_rows import Head
from tidegate_linux.log import escaped
from tidegate_linux.status.survey import wall_text


def head_fields(head: Head) -> dict[str, Any]:
    """Return all but payload and properties."""
    flags = head.flags if isinstance(head.flags, int) else 0
    return {
        "kind": "record",
        "lane": head.stream.lane,
        "stream": str(head.stream),
        "seq": head.seq,
        "reason": head.reason,
        "time": None if head.wall_ms is None else wall_text(head.wall_ms),
        "boot": head.boot if isinstance(head.boot, int) else None,
        "ticks_ms": head.ticks_ms if isinstance(head.ticks_ms, int) else None,
        **_text_or_hex("topic", head.topic or b""),
        "bytes": head.bytes,
        "qos": flags & QOS_MASK,
        "retain": bool(flags & RETAIN),
    }


def record_fields(head: Head, payload: bytes, properties: bytes) -> dict[str, Any]:
    """Return the whole record: `payload` where that is text, else `payload_hex`; topic likewise."""
    fields = {**head_fields(head), **_text_or_hex("payload", payload)}
    try:
        pairs = [
            (name.decode("utf-8"), value.decode("utf-8"))
            for name, value in unpack_properties(properties)
        ]
    except (ProtocolError, UnicodeDecodeError):
        return {**fields, "properties_hex": properties.hex()}
    return {**fields, "properties": pairs}


def head_line(head: Head) -> str:
    """Return one line for a list, under its stream's name."""
    fields = head_fields(head)
    when = fields["time"] or "time not known"
    reason = head.reason.removeprefix(QUARANTINED)
    return escaped(
        f"  {head.seq:>10}  {when:<24}  {head.bytes:>10,} B  {_shown(fields, 'topic')}  {reason}"
    )


def record_lines(fields: dict[str, Any]) -> list[str]:
    """Return the lines that show one record whole; nothing in them is obeyed by a terminal."""
    shown = [
        ("stream", fields["stream"]),
        ("seq", str(fields["seq"])),
        ("reason", fields["reason"]),
        ("time", fields["time"] or f"not known; {fields['ticks_ms']} ms of boot {fields['boot']}"),
        ("topic", _shown(fields, "topic")),
        ("qos", f"{fields['qos']}{', retained' if fields['retain'] else ''}"),
    ]
    shown += [(f"property {name}", value) for name, value in fields.get("properties", ())]
    if "properties_hex" in fields:
        shown.append(("properties", f"hex {fields['properties_hex']}"))
    shown += [("bytes", f"{fields['bytes']:,}"), ("payload", _shown(fields, "payload"))]
    return [f"{name + ':':<10} {escaped(value)}" for name, value in shown]


def _text_or_hex(name: str, data: bytes) -> dict[str, str]:
    try:
        return {name: data.decode("utf-8")}
    except UnicodeDecodeError:
        return {f"{name}_hex": data.hex()}


def _shown(fields: dict[str, Any], name: str) -> str:
    return str(fields[name]) if name in fields else f"hex {fields[f'{name}_hex']}"
