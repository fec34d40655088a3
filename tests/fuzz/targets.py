"""What the fuzzers call, one function a parser, and where each starts from.

The sentence they all check: garbage is read, or refused with the one error that the parser
documents; nothing else is raised, and nothing takes more memory or time than was announced. A
function here returns for both, and raises for anything else.
"""

import contextlib
import json
import tomllib
import zlib
from pathlib import Path

from endpoint import codec_samples
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.reading.hub_reader import read_hub
from tidegate.config.schema import SettingsError
from tidegate.config.url import parse_url
from tidegate.delivery.backoff import RETRY_AFTER_MS_MAX, RETRY_AFTER_MS_MIN
from tidegate.delivery.retry_after import parse_retry_after
from tidegate.errors import ProtocolError
from tidegate.records import filters, topics
from tidegate.records.record import pack_properties, unpack_properties
from tidegate.records.stream import parse_stream
from tidegate.records.text import check_utf8
from tidegate.store.entry import entry_frames, read_entry
from tidegate.store.frame import MARKER, Frame, frame, scan
from tidegate.store.segment import read_segment, segment_header
from tidegate.wire.batch import encode
from tidegate.wire.decoder import decode
from tidegate.wire.envelope import DEFLATED, ENVELOPE_BYTES, seal, wrap
from tidegate.wire.receipt import read_receipt, read_standing
from tidegate.wire.reply import receipt_fields
from tidegate_linux.endpoint.codec import reasons, writer
from tidegate_linux.endpoint.codec.packets import Publish, PublishExtra
from tidegate_linux.endpoint.codec.reader import Reader

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
BATCH_BYTES_MAX = 1 << 16
SEED = 0x5EED
STREAM = parse_stream("00c0ffee00c0ffee.5f3759df5f3759df.main")
MQTT_BYTES_MAX = 600
GOOD_RECEIPT = {
    "stream": str(STREAM),
    "first": 3,
    "last": 8,
    "through": 9,
    "hash": "0000abcd",
    "generation": "feedfacecafebeef",
}


def batch(data):
    """A batch: as it came, behind a right checksum, and deflated under a length of its choice."""
    _batch(data)
    _batch(wrap(data))
    if len(data) > 4:
        _batch(seal(data[4:], DEFLATED, int.from_bytes(data[:4], "little") % (2 * BATCH_BYTES_MAX)))


def _batch(data):
    try:
        found = decode(data, inflate, BATCH_BYTES_MAX)
    except ProtocolError as error:
        assert error.reason and error.detail
        return
    body = encode(found)[ENVELOPE_BYTES:]
    if not data[4] & DEFLATED:
        assert body == data[ENVELOPE_BYTES:], "a batch was read in two forms"
    span = found.span
    assert len(span.records) <= span.last - span.first + 1
    assert len(body) <= BATCH_BYTES_MAX


def inflate(stored, bytes_max):
    """Undo a raw deflate within the contract of `opener.unwrap`."""
    assert bytes_max <= BATCH_BYTES_MAX, "more was to be inflated than is allowed"
    inflater = zlib.decompressobj(-15)
    try:
        return inflater.decompress(stored, bytes_max + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def frames(data):
    """A log of frames, in one piece and in two; and each frame as an entry."""
    items = list(scan(data, SEED))
    at = 0
    for item in items:
        assert item.start == at < item.end
        at = item.end
        if isinstance(item, Frame):
            entry(bytes([item.kind]) + item.body)
    assert at == len(data)
    half = len(data) // 2
    front = list(scan(data[:half], SEED, 0, True))
    end = front[-1].end if front else 0
    pieces = front + list(scan(data[end:], SEED, end))
    assert _frames_of(pieces) == _frames_of(items), "a log cut in two reads otherwise"


def _frames_of(items):
    return [item for item in items if isinstance(item, Frame)]


def entry(data):
    """An entry: kind and body of a frame that verified."""
    if not data:
        return
    try:
        found = read_entry(Frame(0, 0, data[0], data[1:]))
    except ProtocolError as error:
        assert error.reason and error.detail
        return
    assert b"".join(entry_frames(found, SEED)) == frame(data[0], data[1:], SEED)


def segment(data):
    """The header of a segment, as it came and behind a right checksum."""
    length = len(data).to_bytes(2, "little") if len(data) < 1 << 16 else b"\0\0"
    right = b"TGS\x01" + length + zlib.crc32(data).to_bytes(4, "little") + data
    for header in (data, right):
        try:
            found, end = read_segment(header)
        except ProtocolError:
            continue
        assert segment_header(found) == header[:end]


def receipt(data):
    """The JSON of an answer: as it came, and a right receipt with some fields changed by it."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        whole = None
    _receipt(whole)
    fields = dict(GOOD_RECEIPT, at=4, hash_at="000000ff")
    names = sorted(fields)
    for part in data.split(b"\n")[:4]:
        name = names[part[0] % len(names)] if part else "stream"
        try:
            fields[name] = json.loads(part[1:])
        except (ValueError, RecursionError):
            fields[name] = part[1:].decode("latin-1")
    _receipt(fields)


def _receipt(fields):
    try:
        found = read_receipt(STREAM, fields)
    except ProtocolError:
        pass
    else:
        assert 0 < found.first <= found.last <= found.cursor.through
        assert receipt_fields(STREAM, found).items() <= fields.items()
    with contextlib.suppress(ProtocolError):
        read_standing(STREAM, fields)


def topic_filter(data):
    """A topic filter and a topic, divided by the first line break."""
    wanted, _, topic = data.partition(b"\n")
    try:
        filters.check_filter(wanted)
    except ValueError:
        return
    try:
        topics.check_topic(topic)
    except ValueError:
        return
    found = filters.matches(wanted, topic)
    assert found is True or found is False
    assert (filters.FilterMap([(wanted, "lane")]).find(topic) == "lane") == found


def settings(data):
    """A configuration file, for the gateway and for the hub."""
    try:
        tree = tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return
    for read in (read_gateway, read_hub):
        try:
            read(tree)
        except SettingsError as error:
            assert str(error)


def retry_after(data):
    """The value of a Retry-After header, with and without a known clock."""
    text = data.decode("latin-1")
    for wall_ms in (None, 0, 1_800_000_000_000):
        delay_ms = parse_retry_after(text, wall_ms)
        assert delay_ms is None or RETRY_AFTER_MS_MIN <= delay_ms <= RETRY_AFTER_MS_MAX


def stream_name(data):
    """A stream's name out of a URL."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        found = parse_stream(text)
    except ProtocolError as error:
        assert error.reason == "bad-stream"
        return
    assert str(found) == text


def properties(data):
    """Packed user properties."""
    try:
        pairs = unpack_properties(data)
    except ProtocolError as error:
        assert error.reason == "bad-properties"
        return
    assert pack_properties(pairs) == data


def utf8(data):
    """Text off the wire."""
    try:
        check_utf8(data)
    except ValueError:
        with contextlib.suppress(UnicodeDecodeError):
            assert b"\0" in data or data.decode() is None, "right text was refused"
        return
    assert data.decode().encode() == data


def url(data):
    """A URL in a configuration."""
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(ValueError):
        parse_url(text, ("http", "https", "mqtt", "mqtts"))


def mqtt(data):
    """What a client sends: as it came, behind a CONNECT of either version, and made one packet."""
    _mqtt(data)
    for front in codec_samples.FRONT.values():
        _mqtt(front + data)
        if data:
            _mqtt(front + data[:1] + writer.length(len(data) - 1) + data[1:])


def _mqtt(data):
    whole = _read([data])
    third = len(data) // 3
    assert _read([data[:third], data[third : 2 * third], data[2 * third :]]) == whole
    assert _read([data[:-1], data[-1:]]) == whole, "the last byte alone is read otherwise"
    packets, error, version = whole
    assert error is None or (error[0] >= reasons.FAILED and error[1])
    for found in packets:
        if isinstance(found, Publish):
            _publish_again(found, version)


def _read(pieces):
    reader = Reader(MQTT_BYTES_MAX)
    packets = []
    for piece in pieces:
        packets += reader.feed(piece)
        assert reader.partial_bytes <= MQTT_BYTES_MAX
    error = reader.error
    return packets, error and (error.reason, error.text), reader.version


def _publish_again(found, version):
    extra = found.extra or PublishExtra(b"", [], None, 0, b"")
    fields = (found.topic, found.payload, found.qos, found.retain, found.dup, found.packet_id)
    data = writer.publish(version, *fields, extra.forwarded, extra.expiry_s, extra.alias)
    reader = Reader(1 << 20)
    assert reader.feed(codec_samples.FRONT[version] + data)[1:] == [found], (
        "what was read is written so"
    )


def _mqtt_seeds():
    for data in [sample[0] for sample in codec_samples.CONNECTS] + [
        sample[1] for sample in codec_samples.PACKETS
    ]:
        yield data[:400]


def _vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def _batch_seeds():
    for vector in _vectors("batches"):
        data = bytes.fromhex(vector["hex"])
        yield data[:4096]
        yield data[ENVELOPE_BYTES:4096]
        if "deflated" in vector:
            yield data[8:12] + bytes.fromhex(vector["deflated"])[ENVELOPE_BYTES:]


def _frame_seeds():
    for vector in _vectors("frames")["entries"]:
        for data in vector["frames"]:
            body = bytes.fromhex(data)
            yield frame(body[2], body[11:], SEED)


def _entry_seeds():
    for vector in _vectors("frames")["entries"]:
        for data in vector["frames"]:
            yield bytes.fromhex(data[4:6] + data[22:])


def _segment_seeds():
    header = bytes.fromhex(_vectors("frames")["header"]["hex"])
    yield header
    yield header[10:]


def _receipt_seeds():
    file = _vectors("receipts")
    for fields in file["receipts"] + file["standings"]:
        yield json.dumps(fields).encode()
    yield b"a9\nb00000000\nc8"


def _settings_seeds():
    yield b'[node]\nname = "a"\n[log]\nformat = "json"\n[status]\nurl = ""\n'
    yield b'[[source]]\ntype = "mqtt"\nurl = "mqtt://u:p@h:1"\ntopics = ["a/#"]\n'
    yield b'[uplink]\ntype = "http"\nurl = "http://127.0.0.1:8080"\ntoken = "abcdefghijklmnopq"\n'
    yield b'[hub]\nurl = "http://127.0.0.1:8080"\n[[hub.node]]\nname = "a"\ntoken = "abcdefghijk"\n'
    yield b"[journal]\nlimit_bytes = 1_000_000\noverflow = 'block'\n"


def _texts(*texts):
    return lambda: [text.encode() for text in texts]


DATES = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "120", " 0\t")

# name -> (function, seeds)
TARGETS = {
    "batch": (batch, _batch_seeds),
    "frames": (frames, _frame_seeds),
    "entry": (entry, _entry_seeds),
    "segment": (segment, _segment_seeds),
    "receipt": (receipt, _receipt_seeds),
    "topic-filter": (topic_filter, _texts("a/+/#\na/b/c", "$share/g/a\na", "#\n$SYS/x")),
    "settings": (settings, _settings_seeds),
    "retry-after": (retry_after, _texts(*DATES, "Sun Nov  6 08:49:37 1994")),
    "stream-name": (stream_name, _texts(str(STREAM), "a.b.c")),
    "properties": (properties, lambda: [pack_properties([(b"unit", b"mm"), (b"", b"")])]),
    "utf8": (utf8, _texts("größe", "日本", "\U0001f600")),
    "mqtt": (mqtt, _mqtt_seeds),
    "url": (url, _texts("mqtts://user:secret@[::1]:8883/a%20b", "http://127.0.0.1:8080")),
}


def planted(data):
    """Go wrong, so that a test can see that the rig would notice."""
    if MARKER[:1] in data and len(data) > 3:
        raise IndexError("planted")


def target(name):
    """Return (function, seeds) of a target; "planted" is one that goes wrong."""
    return (planted, _texts("abc")) if name == "planted" else TARGETS[name]
