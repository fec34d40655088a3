"""A flash that somebody else has filled to the last block never ends a node."""

import vfs

from fakes import FakeLink, FakeMachine, fill, mounted
from tidegate.errors import STORAGE_FULL, StorageError
from tidegate_micropython import start
from tidegate_micropython.node import OPEN_FOLDERS

FOLDER = "/flash/log"
BLOCKS = 300
RECORD = bytes(200)


def node_of(link=None, **journal):
    """Return a node on the flash, as after a reset."""
    OPEN_FOLDERS.clear()
    settings = {"folder": FOLDER, "limit_bytes": 32_768, "segment_bytes": 2048}
    settings.update(journal)
    uplink = {"type": "http", "url": "http://h", "token": "t" * 16, "batch_age_ms": 0}
    tree = {"journal": settings, "uplink": uplink}
    link = link or FakeLink(is_down=True)
    return start(tree, FakeMachine(), None, link.make)


def refused(node, count):
    """Put so many records; return how many were refused, each as "full"."""
    kinds = []
    for _ in range(count):
        try:
            node.put("a", RECORD)
        except StorageError as error:
            kinds.append(error.kind)
    assert kinds == [STORAGE_FULL] * len(kinds), kinds
    return len(kinds)


def filled(overflow, reserve_bytes, starts):
    """Hold records, have another fill the flash, start several times, then get a line."""
    mounted(vfs.VfsLfs2, "/flash", BLOCKS)
    node = node_of(overflow=overflow, reserve_bytes=reserve_bytes)
    for number in range(20):
        node.put("a", str(number))
    fill("/flash/other", 16)
    refused(node, 30)
    node.close()
    for _ in range(starts):
        node = node_of(overflow=overflow, reserve_bytes=reserve_bytes)
        refused(node, 30)
        node.close()
    link = FakeLink()
    node = node_of(link, overflow=overflow, reserve_bytes=reserve_bytes)
    assert node.upload(20_000), node.status()["health"]
    stream = node.status()["streams"][0]
    assert stream["balanced"] and stream["held"] == 0
    for _ in range(20):
        node.put("b", "later")
        assert node.upload(5000), node.status()["health"]
    node.close()
    vfs.umount("/flash")
    return link.hub.payloads, stream


def test_what_is_held_on_a_full_flash_is_delivered_once_there_is_a_line():
    for reserve_bytes in (0, 8192, 65_536):
        for overflow in ("block", "drop-newest"):
            payloads, stream = filled(overflow, reserve_bytes, 3)
            assert payloads[:20] == [str(number).encode() for number in range(20)]
            assert payloads[-20:] == [b"later"] * 20
            assert stream["delivered"] >= 20


def test_the_oldest_make_room_on_a_full_flash_too():
    payloads, stream = filled("drop-oldest", 0, 3)
    assert payloads[-20:] == [b"later"] * 20
    assert stream["delivered"] + stream["dropped"].get("overflow", 0) == stream["admitted"]
