"""Whatever bytes come, however cut: packets or one refusal, and what is written is read again."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from endpoint import client_codec as client
from endpoint.codec_samples import CONNECTS, FRONT, PACKETS
from tidegate_linux.endpoint.codec import reasons, writer
from tidegate_linux.endpoint.codec.packets import Publish, PublishExtra
from tidegate_linux.endpoint.codec.reader import Reader

BYTES_MAX = 1000  # Small, so that drawn lengths are often beyond it.

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).map(
    lambda text: text.encode()
)
topics = st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), min_size=1).map(
    lambda text: text.encode()
)
pairs = st.lists(st.tuples(texts, texts), max_size=4)
versions = st.sampled_from([4, 5])
samples = st.sampled_from([(b"", data) for data, _ in CONNECTS] + [p[:2] for p in PACKETS])


@st.composite
def streams(draw):
    """Draw what a client may send: right packets, changed ones, and any bytes."""
    version = draw(versions)
    parts = [draw(st.sampled_from([FRONT[version], FRONT[version], b""]))]
    for _ in range(draw(st.integers(0, 4))):
        data = bytearray(draw(samples)[1])
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, max(len(data) - 1, 0)))
            edge = draw(st.sampled_from([b"", b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\0\0"]))
            data[at : at + draw(st.integers(0, 2))] = edge
        parts.append(bytes(data))
    return b"".join([*parts, draw(st.binary(max_size=12))])


def outcome(pieces):
    reader = Reader(BYTES_MAX)
    packets = []
    for piece in pieces:
        packets += reader.feed(piece)
        assert reader.partial_bytes <= BYTES_MAX, "more is kept than a packet may have"
    error = reader.error
    assert error is None or (error.text and error.reason >= reasons.FAILED)
    return packets, error and (error.reason, error.text), reader.partial_bytes


@given(streams(), st.lists(st.integers(0, 600), max_size=6))
@example(b"\x10\xff\xff\xff\xff\xff", [2, 4])
@example(FRONT[5] + b"\x30\x80\x80", [3])
def test_pieces_are_read_as_the_whole(stream, cuts):
    at = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(at)]
    assert b"".join(pieces) == stream
    assert outcome(pieces) == outcome([stream])


@given(versions, st.integers(0, 255), st.binary(max_size=60))
def test_any_body_is_one_packet_or_refused(version, head, body):
    packets, error, partial_bytes = outcome([FRONT[version] + client.packet(head, body)])
    assert (len(packets) - 1, partial_bytes) == ((1, 0) if error is None else (0, 0))


@given(
    versions,
    topics,
    st.binary(max_size=300),
    st.integers(0, 2),
    st.booleans(),
    st.integers(1, 0xFFFF),
    st.lists(
        st.one_of(
            st.tuples(st.just(0x26), st.tuples(texts, texts)),
            st.tuples(st.just(1), st.integers(0, 1)),
            st.tuples(st.just(3), texts),
            st.tuples(st.just(8), topics),
            st.tuples(st.just(9), st.binary(max_size=20)),
            st.tuples(st.just(2), st.integers(0, 0xFFFFFFFF)),
            st.tuples(st.just(0x23), st.integers(1, 0xFFFF)),
        ),
        max_size=8,
        unique_by=lambda each: each[0] if each[0] != 0x26 else each,
    ),
)
def test_publish_goes_both_ways(version, topic, payload, qos, retain, packet_id, properties):
    data = client.publish(
        topic, payload, qos, packet_id, retain, version=version, properties=properties
    )
    reader = Reader(1 << 20)
    found = reader.feed(FRONT[version] + data)[1]
    extra = None
    if version == 5 and properties:
        told = dict(properties)
        forwarded = [each for each in properties if each[0] not in (2, 0x23)]
        packed = client.pack_properties(forwarded)
        kept = [value for kind, value in properties if kind == 0x26]
        if 3 in told:
            kept.insert(0, (b"content-type", told[3]))
        extra = PublishExtra(
            packed[1:] if packed[0] < 0x80 else packed[2:],
            kept,
            told.get(2),
            told.get(0x23, 0),
            told.get(8, b""),
        )
    assert found == Publish(topic, payload, qos, retain, False, packet_id if qos else 0, extra)
    again = written(version, found)
    assert reader.feed(again) == [found]
    assert client.decode(again, version)[0][0].payload == payload


def written(version, found):
    """Return a PUBLISH that was read as the server would pass all of it on."""
    extra = found.extra or PublishExtra(b"", [], None, 0, b"")
    fields = (found.topic, found.payload, found.qos, found.retain, found.dup, found.packet_id)
    return writer.publish(version, *fields, extra.forwarded, extra.expiry_s, extra.alias)


@given(st.text(max_size=50), st.one_of(st.none(), st.text()), st.one_of(st.none(), st.binary()))
def test_connect_is_read_or_its_text_refused(client_id, username, password):
    data = client.connect(
        client_id.encode("utf-8", "surrogatepass"),
        5,
        username=username and username.encode("utf-8", "surrogatepass"),
        password=password,
    )
    reader = Reader(1 << 20)
    packets = reader.feed(data)
    text = client_id + (username or "")
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text):
        assert (packets, reader.error.reason) == ([], 0x81)
    else:
        found = packets[0]
        assert (found.client_id, found.username or None) == (client_id, username or None)
        assert found.password == password


@given(
    versions,
    st.sampled_from([client.PUBACK, client.PUBREC, client.PUBREL, client.PUBCOMP]),
    st.integers(1, 0xFFFF),
    st.sampled_from([0, 0x10, 0x80, 0x92, 0x97]),
    texts,
)
def test_what_a_server_acknowledges_is_read_by_a_client(version, kind, packet_id, reason, text):
    data = writer.acknowledgement(kind, version, packet_id, reason, text.decode())
    (found,), rest = client.decode(data, version)
    assert (found.kind, found.packet_id, rest) == (kind, packet_id, b"")
    assert found.reason == (reason if version == 5 else 0)
    assert found.property(0x1F) == (text if version == 5 and text else None)
