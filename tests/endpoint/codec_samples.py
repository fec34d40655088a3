"""One packet of every kind and form that a client may send, and what the reader makes of it.

Encoded by `client_codec`, which was written apart from the product's codec.
"""

from endpoint import client_codec as client
from tidegate_linux.endpoint.codec.packets import (
    NEVER_S,
    NO_RECEIVE_MAXIMUM,
    Acknowledgement,
    Auth,
    Connect,
    Disconnect,
    Ping,
    Publish,
    PublishExtra,
    Request,
    Subscribe,
    Unsubscribe,
    Will,
)

PAIRS = [(b"unit", b"mm"), (b"", b""), (b"unit", "größe".encode())]
USER = [(0x26, pair) for pair in PAIRS]
USER_BYTES = client.pack_properties(USER)[1:]
TEXT, BINARY = "größe \U0001f600".encode(), bytes(range(256))


def plain_connect(version, **changed):
    """Return what a CONNECT that says nothing but its client id means."""
    fields = {
        "version": version,
        "client_id": "x",
        "clean_start": True,
        "keepalive_s": 0,
        "username": None,
        "password": None,
        "will": None,
        "session_expiry_s": 0,
        "receive_maximum": NO_RECEIVE_MAXIMUM,
        "packet_bytes_max": 0,
        "topic_alias_max": 0,
        "request_response": 0,
        "request_problem": 1,
        "auth_method": None,
        "user_properties": [],
    }
    return Connect(**(fields | changed))


FRONT = {version: client.connect("x", version) for version in (4, 5)}

# (the bytes, what they mean)
CONNECTS = [
    (FRONT[4], plain_connect(4)),
    (FRONT[5], plain_connect(5)),
    (
        client.connect("", 4, False, 0xFFFF, None, "größe", b"", (b"w/x", b"", 2, True)),
        plain_connect(
            4,
            client_id="",
            clean_start=False,
            keepalive_s=0xFFFF,
            username="größe",
            password=b"",
            will=Will(b"w/x", b"", 2, True, 0, None),
            session_expiry_s=NEVER_S,
        ),
    ),
    (
        client.connect("x", 4, will=(b"w", BINARY, 0, False)),
        plain_connect(4, will=Will(b"w", BINARY, 0, False, 0, None)),
    ),
    (
        client.connect(
            "y" * 300,
            5,
            False,
            10,
            [
                (0x11, NEVER_S),
                (0x21, 9),
                (0x27, 100),
                (0x22, 4),
                (0x19, 1),
                (0x17, 0),
                *USER,
                (0x15, b"SCRAM"),
                (0x16, BINARY),
            ],
            "u",
            BINARY,
            (b"w", BINARY, 1, True),
            [(0x18, 3), (1, 1), (2, 7), (3, TEXT), (8, b"r/s"), (9, BINARY), *USER],
        ),
        plain_connect(
            5,
            client_id="y" * 300,
            clean_start=False,
            keepalive_s=10,
            username="u",
            password=BINARY,
            will=Will(
                b"w",
                BINARY,
                1,
                True,
                3,
                PublishExtra(
                    b"\1\1"
                    + client.pack_properties([(3, TEXT), (8, b"r/s"), (9, BINARY), *USER])[2:],
                    [(b"content-type", TEXT), *PAIRS],
                    7,
                    0,
                    b"r/s",
                ),
            ),
            session_expiry_s=NEVER_S,
            receive_maximum=9,
            packet_bytes_max=100,
            topic_alias_max=4,
            request_response=1,
            request_problem=0,
            auth_method="SCRAM",
            user_properties=PAIRS,
        ),
    ),
    # 5.0 allows a password without a user name (3.1.2.9), and a will without properties.
    (
        client.connect("x", 5, password=b"p", will=(b"w", b"", 0, False)),
        plain_connect(
            5,
            password=b"p",
            will=Will(b"w", b"", 0, False, 0, PublishExtra(b"", [], None, 0, b"")),
        ),
    ),
]


def _common(version):
    """Return what both versions have, in the form of one."""
    of = {"version": version}
    return [
        (client.publish("a/b", b"p", 0, **of), Publish(b"a/b", b"p", 0, False, False, 0, None)),
        (client.publish("t" * 300, **of), Publish(b"t" * 300, b"", 0, False, False, 0, None)),
        (client.publish("ä", b"", 0, 0, True, **of), Publish("ä".encode(), b"", 0, 1, 0, 0, None)),
        (client.publish("a", b"p" * 200, 1, 1, **of), Publish(b"a", b"p" * 200, 1, 0, 0, 1, None)),
        (
            client.publish("t" * 300, BINARY * 80, 2, 0xFFFF, True, True, **of),
            Publish(b"t" * 300, BINARY * 80, 2, True, True, 0xFFFF, None),
        ),
        *[(client.acknowledge(kind, 7), Acknowledgement(kind, 7, 0)) for kind in (4, 5, 6, 7)],
        (
            client.subscribe(2, [("a/#", 0), ("$share/g/+/b", 1), ("größe", 2)], **of),
            Subscribe(
                2,
                [
                    Request(b"a/#", 0, False, False, 0),
                    Request(b"$share/g/+/b", 1, False, False, 0),
                    Request("größe".encode(), 2, False, False, 0),
                ],
                0,
            ),
        ),
        (client.unsubscribe(3, ["a", "#"], **of), Unsubscribe(3, [b"a", b"#"])),
        (client.PINGREQ, Ping()),
        (client.disconnect(**of), Disconnect(0, None)),
    ]


_ONLY_5 = [
    (
        client.publish("a", b"p", 1, 7, properties=USER),
        Publish(b"a", b"p", 1, 0, 0, 7, PublishExtra(USER_BYTES, PAIRS, None, 0, b"")),
    ),
    (
        client.publish("a", b"p", 0, properties=[(2, 9), (1, 0), (0x23, 3), (8, b"r"), (9, b"")]),
        Publish(b"a", b"p", 0, 0, 0, 0, PublishExtra(b"\1\0\x08\0\1r\x09\0\0", [], 9, 3, b"r")),
    ),
    (
        client.publish("", b"p", 2, 7, properties=[(0x23, 0xFFFF), *USER, (2, 0), (3, b"")]),
        Publish(
            b"",
            b"p",
            2,
            False,
            False,
            7,
            PublishExtra(
                USER_BYTES + b"\x03\0\0", [(b"content-type", b""), *PAIRS], 0, 0xFFFF, b""
            ),
        ),
    ),
    # Lengths of which the second byte counts: 128 of all properties, 300 of a name and of a value.
    (
        client.publish("a", b"p", properties=[(9, bytes(125))]),
        Publish(b"a", b"p", 0, 0, 0, 0, PublishExtra(b"\x09\0\x7d" + bytes(125), [], None, 0, b"")),
    ),
    (
        client.publish("a", b"p", properties=[(0x26, (b"n" * 300, b"v" * 300))]),
        Publish(
            b"a",
            b"p",
            0,
            False,
            False,
            0,
            PublishExtra(
                b"\x26\x01\x2c" + b"n" * 300 + b"\x01\x2c" + b"v" * 300,
                [(b"n" * 300, b"v" * 300)],
                None,
                0,
                b"",
            ),
        ),
    ),
    (
        client.subscribe(1, [("a", 0)], properties=[(0x0B, 128)]),
        Subscribe(1, [Request(b"a", 0, False, False, 0)], 128),
    ),
    (client.acknowledge(4, 1, 0x10, [(0x1F, TEXT), *USER]), Acknowledgement(4, 1, 0x10)),
    (client.acknowledge(5, 1, 0x99), Acknowledgement(5, 1, 0x99)),
    (client.acknowledge(6, 1, 0x92), Acknowledgement(6, 1, 0x92)),
    (client.acknowledge(7, 1, 0, USER), Acknowledgement(7, 1, 0)),
    (
        client.subscribe(1, [("a", 0x2D), ("b", 0x1A)], properties=[(0x0B, 0x0FFFFFFF), *USER]),
        Subscribe(
            1, [Request(b"a", 1, True, True, 2), Request(b"b", 2, False, True, 1)], 0x0FFFFFFF
        ),
    ),
    (client.unsubscribe(1, ["a"], properties=USER), Unsubscribe(1, [b"a"])),
    (client.disconnect(4), Disconnect(4, None)),
    (client.disconnect(0, [(0x11, 5), (0x1F, TEXT), *USER]), Disconnect(0, 5)),
    (
        client.auth(0x18, [(0x15, b"SCRAM"), (0x16, BINARY), (0x1F, TEXT), *USER]),
        Auth(0x18, "SCRAM"),
    ),
    (client.auth(0x19, [(0x15, b"m")]), Auth(0x19, "m")),
]

# (version, the bytes, what they mean), each behind a CONNECT of that version
PACKETS = [(4, *each) for each in _common(4)] + [(5, *each) for each in _common(5) + _ONLY_5]
