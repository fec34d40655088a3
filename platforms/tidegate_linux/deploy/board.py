"""A board as a deployment sees it: what it is, which files it has, and their exchange for others.

Promises that the files of before stay whole until all new ones lie beside them and have the right
hash, and that the exchange, once begun, needs no line any more.  Only a power cut within that
second can leave both kinds side by side; the next deployment sees it by the hashes.
"""

import errno
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from tidegate_linux.deploy import programs
from tidegate_linux.deploy.errors import DeployError
from tidegate_linux.deploy.line import BoardError, Line

BESIDE = ".new"  # Behind the name of a file that is not yet in its place.
HELD = ".held"  # Behind main.py while a deployment lasts.
SCRATCH = "tidegate-self-test"
VERSION_LEAST = (1, 24)


class Facts(NamedTuple):
    """What a board said of itself."""

    name: str
    version: tuple[int, int, int]
    bytecode: int
    machine: str
    path: list[str]
    here: str
    root: list[str]
    block: int
    free: int
    total: int
    heap: int
    wifi: bool
    lacking: list[str]

    @property
    def folder(self) -> str:
        """Return where modules belong: the last folder called lib that is in the flash."""
        places = [place for place in self.path if place.endswith("/lib")]
        places = [place for place in places if not place.startswith("/rom")]
        return places[-1] if places else f"{self.here}/lib"

    @property
    def shown_version(self) -> str:
        """Return the version of MicroPython as one writes it."""
        return ".".join(str(part) for part in self.version)


class Board:
    """A board on an open line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def facts(self, modules: list[str], bytecode: int) -> Facts:
        """Return what the board is; refuse one that cannot run the node.

        `modules` are those of other libraries; those that are not there stand in `lacking`.
        """
        said = self._ask(programs.FACTS, libraries=modules)
        major, minor, patch = said.pop("version")
        here = said.pop("here").rstrip("/")
        facts = Facts(version=(major, minor, patch), here=here, **said)
        upgrade = "flash a firmware of MicroPython 1.24 or later"
        if facts.name != "micropython":
            raise DeployError(f"the board runs {facts.name}, not MicroPython", upgrade)
        if facts.version[:2] < VERSION_LEAST:
            raise DeployError(f"the board has MicroPython {facts.shown_version}, too old", upgrade)
        if facts.bytecode != bytecode:
            what = f"the board loads bytecode of version {facts.bytecode}, not {bytecode}"
            raise DeployError(what, "build with the mpy-cross of its MicroPython")
        return facts

    def hashes(self, folders: list[str], paths: list[str]) -> dict[str, tuple[int, str]]:
        """Return size and SHA-256 of all files in `folders`, and of `paths` as far as they exist.

        The board computes them from what it reads in its flash.
        """
        lines = self._run(programs.INVENTORY, folders=folders, paths=paths).splitlines()
        return {path: (size, digest) for path, size, digest in map(json.loads, lines)}

    def hold(self, here: str) -> bool:
        """Keep main.py from starting until `release`; tell whether there was one."""
        return self._run(programs.HOLD, here=here, suffix=HELD).strip() == "True"

    def release(self, here: str) -> None:
        """Give main.py its name back, unless there is a new one."""
        self._run(programs.RELEASE, here=here, suffix=HELD)

    def make_folders(self, paths: list[str]) -> None:
        """Make the folders that `paths` lie in."""
        found: set[str] = set()
        for path in paths:
            parts = path.split("/")[:-1]
            found.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        self._run(programs.FOLDERS, folders=sorted(found - {""}))

    def write_beside(self, files: dict[str, bytes], tell: Callable[[str], None]) -> None:
        """Write every file under a name beside its own."""
        for path, data in files.items():
            tell(path)
            try:
                self._line.write(path + BESIDE, data)
            except OSError as error:
                self._run(programs.REMOVE, paths=[name + BESIDE for name in files])
                if error.errno == errno.ENOSPC:
                    raise _full(f"no room for {path}") from None
                reason = (error.strerror or str(error)).lower()
                what = f"{path}: the board cannot write it: {reason}"
                raise DeployError(what, "is its file system in order?") from None
            except BoardError as error:
                raise DeployError(f"{path}: the board: {error}", _RESET) from None

    def swap(self, paths: list[str], stale: list[str]) -> None:
        """Put what lies beside into place, and remove what is of no more use."""
        self._run(programs.SWAP, paths=paths, stale=stale, suffix=BESIDE)

    def self_test(self, facts: Facts, packages: list[str]) -> dict[str, Any]:
        """Try the node's own log on the board; return what came of it."""
        path = [*facts.path] if facts.folder in facts.path else [*facts.path, facts.folder]
        scratch = f"{facts.here}/{SCRATCH}"
        return self._ask(
            programs.SELF_TEST, packages=packages, scratch=scratch, path=path, here=facts.here
        )

    def _ask(self, program: str, **arguments: object) -> dict[str, Any]:
        said = self._run(program, **arguments)
        try:
            answer: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
        except (IndexError, ValueError):
            raise DeployError("the board said something that is no answer", _RESET) from None
        return answer

    def _run(self, program: str, **arguments: object) -> str:
        try:
            return self._line.run(programs.with_arguments(program, **arguments))
        except BoardError as error:
            raise DeployError(f"the board: {error}", _RESET) from None


_RESET = "press its reset button and repeat the command"


def _full(what: str) -> DeployError:
    hint = "remove files that are of no use, lower journal.limit_bytes, or freeze the node"
    return DeployError(f"the flash is full: {what}", hint)


def check_room(facts: Facts, files: dict[str, bytes]) -> None:
    """Refuse what will not fit: everything new lies beside the old for a moment."""
    needed = sum(-(-len(data) // facts.block) * facts.block for data in files.values())
    if needed > facts.free:
        raise _full(f"{needed:,} bytes are needed and {facts.free:,} are free")
