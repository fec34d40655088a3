"""The messages of the benchmark: JSON telemetry, numbered, every PUBLISH of the same length.

Because all packets are equally long, whoever reads them takes thousands apart with a few slices,
and the harness is not what is measured.  A payload has 128 bytes: a number that tells messages
apart, and measured values that differ from message to message, so that compression gains no more
by it than it would on a real site.
"""

import random
import struct
from itertools import pairwise

PAYLOAD_BYTES = 128
DEVICES = 100
TOPIC_FILTER = "site/#"
SEED = 20240607  # Every run sends the same bytes.

NUMBER_AT = len('{"n":"')
NUMBER_DIGITS = 10
TOPIC_BYTES = len("site/device-000/telemetry")
HEAD_BYTES = 3  # The first byte, and a remaining length of two bytes.
REMAINING_BYTES = 2 + TOPIC_BYTES + 2 + PAYLOAD_BYTES
PACKET_BYTES = HEAD_BYTES + REMAINING_BYTES
IDENTIFIER_AT = HEAD_BYTES + 2 + TOPIC_BYTES
PAYLOAD_AT = IDENTIFIER_AT + 2
IDENTIFIERS = 65535  # The numbers a packet can bear; 0 is none of them [MQTT-2.3.1-1].

FIRST_BYTE = 0x32  # PUBLISH, QoS 1.
HEAD = bytes([FIRST_BYTE, REMAINING_BYTES & 0x7F | 0x80, REMAINING_BYTES >> 7])


def payload(number: int, chance: random.Random) -> bytes:
    """Return the payload of the message `number`."""
    text = (
        f'{{"n":"{number:010d}"'
        f',"temperature":{chance.uniform(10, 40):5.2f}'
        f',"humidity":{chance.uniform(20, 95):5.2f}'
        f',"pressure":{chance.uniform(960, 1040):7.2f}'
        f',"battery":{chance.uniform(3, 4.2):4.2f}'
        ',"state":"'
    )
    return text.encode().ljust(PAYLOAD_BYTES - 2, b".") + b'"}'


def topic(number: int) -> bytes:
    """Return the topic of the message `number`: one of a hundred devices."""
    return b"site/device-%03d/telemetry" % (number % DEVICES)


def packets(count: int) -> bytes:
    """Return the PUBLISH packets of the messages 0 to count - 1."""
    chance = random.Random(SEED)
    parts = []
    for number in range(count):
        name = topic(number)
        parts.append(HEAD)
        parts.append(struct.pack(">H", len(name)))
        parts.append(name)
        parts.append(struct.pack(">H", number % IDENTIFIERS + 1))
        parts.append(payload(number, chance))
    return b"".join(parts)


def number_of(data: bytes) -> int:
    """Return the number of the message with the payload `data`."""
    return int(data[NUMBER_AT : NUMBER_AT + NUMBER_DIGITS])


def count_arrived(numbers: list[int], sent: int) -> dict[str, int]:
    """Return how many of the messages 0 to sent - 1 arrived, were lost, came twice or too late."""
    distinct = len(set(numbers))
    disordered = sum([after < before for before, after in pairwise(numbers)])
    return {
        "arrived": distinct,
        "lost": sent - distinct,
        "twice": len(numbers) - distinct,
        "disordered": disordered,
    }
