"""P6: how far above its limit a journal goes: a commit, its log, and the ballast."""

import os

import pytest

from builders import BOOT_IDENTITY, arrived, chance, gateway_settings, message
from scripted import ScriptedLink, ScriptedObserver, ScriptedSource
from tidegate.composition import compose
from tidegate.engine import Engine
from tidegate.gateway import lane_names
from tidegate_linux.config import LIMIT_BYTES_MIN
from tidegate_linux.inbox import BYTES_MAX
from tidegate_linux.journal.folder import BALLAST_BYTES_MAX
from tidegate_linux.journal.sqlite import open_journal


class Offline:
    """A gateway on a journal in `folder` whose hub never answers."""

    def __init__(self, folder, overflow):
        self.folder = folder
        tree = {
            "journal": {"limit_bytes": LIMIT_BYTES_MIN, "reserve_bytes": 0, "overflow": overflow}
        }
        settings = gateway_settings(tree)
        self.log = []
        self.peak_bytes = self.now_ms = 0
        gateway = compose(settings, ["source"], BOOT_IDENTITY, chance())
        self.engine = Engine(
            gateway,
            lambda: open_journal(folder, lane_names(settings), limit_bytes=LIMIT_BYTES_MIN),
            [ScriptedSource(self.log)],
            ScriptedLink(self.log),
            ScriptedObserver(self.log),
        )
        self.engine.start(self.log.append, 0)

    def take(self, count, payload_bytes):
        """Take in `count` messages in one commit; return what was reported."""
        self.now_ms += 100
        self.log[:] = []
        messages = [message(number, payload=os.urandom(payload_bytes)) for number in range(count)]
        self.engine.step([arrived(messages)], self.now_ms)
        stored_bytes = sum(path.stat().st_size for path in self.folder.iterdir())
        self.peak_bytes = max(self.peak_bytes, stored_bytes)
        return [line[2] for line in self.log if line[0] == "report"]

    @property
    def acknowledged(self):
        return sum(len(line[3]) for line in self.log if line[0] == "acknowledge")


@pytest.mark.parametrize(("count", "payload_bytes"), [(1000, 200), (15, 1_000_000)])
def test_a_full_journal_goes_on_taking_the_largest_commits_and_keeps_its_bound(
    tmp_path, count, payload_bytes
):
    commit_bytes = count * payload_bytes
    assert commit_bytes < BYTES_MAX
    offline = Offline(tmp_path / "data", "drop-oldest")
    for _ in range(max(4, 2 * LIMIT_BYTES_MIN // commit_bytes)):
        events = offline.take(count, payload_bytes)
        assert "journal_failed" not in events
        assert offline.acknowledged == count
    offline.engine.close()
    bound_bytes = LIMIT_BYTES_MIN + 2 * (commit_bytes * 3 // 2) + BALLAST_BYTES_MAX
    assert LIMIT_BYTES_MIN * 0.9 < offline.peak_bytes < bound_bytes
