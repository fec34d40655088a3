"""`tidegate deploy`: give a board its node, and say what state the board is in.

Promises that a board has, after exit code 0, exactly the bundle's modules and the configuration, by
hashes that the board itself computed, and that the node's log works there.  A deployment that was
cut off leaves each file as it was or as it shall be; repeated, it goes on.  The journal is never
touched.
"""

import contextlib
import hashlib
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tidegate.config.node_settings import NodeSettings
from tidegate_linux.deploy.board import BESIDE, HELD, Board, Facts, check_room
from tidegate_linux.deploy.bundle import Bundle, find_bundle, read_bundle, read_config
from tidegate_linux.deploy.errors import DeployError
from tidegate_linux.deploy.libraries import library_files, modules_needed
from tidegate_linux.deploy.line import Line
from tidegate_linux.log import escaped

CONFIG_NAME = "config.json"
MAIN_NAME = "main.py"


def run_deploy(
    port: str,
    config: Path,
    bundle_folder: Path | None,
    sketch: Path | None,
    libraries: list[Path],
    is_forced: bool,
    is_dry: bool,
) -> int:
    """Deploy; return the exit code.  Everything on this machine is checked before the board."""
    data, settings = read_config(config)
    bundle = read_bundle(bundle_folder or find_bundle())
    own = {CONFIG_NAME: data}
    if sketch is not None:
        own[MAIN_NAME] = _read_sketch(sketch)
    console = Console()
    line = Line(port)
    deployment = _Deployment(line, console, bundle, settings, own, libraries)
    try:
        if is_dry:
            deployment.look(is_forced)
            line.resume()
        else:
            deployment.do(is_forced)
    except DeployError:
        deployment.give_back()
        raise
    finally:
        line.close()
    return 0


class _Deployment:
    """One board, one bundle, one configuration."""

    def __init__(
        self,
        line: Line,
        console: Console,
        bundle: Bundle,
        settings: NodeSettings,
        own: dict[str, bytes],
        libraries: list[Path],
    ) -> None:
        self._line = line
        self._board = Board(line)
        self._console = console
        self._bundle = bundle
        self._settings = settings
        self._own = own
        self._libraries = libraries
        self._facts: Facts | None = None
        self._is_begun = False  # Whether new files have taken the place of old ones.

    def look(self, is_forced: bool) -> None:
        """Say what would be done, and change nothing."""
        facts, _, changed, stale = self._plan(is_forced)
        check_room(facts, changed)
        for path in changed:
            self._say(f"would copy    {path}")
        for path in stale:
            self._say(f"would remove  {path}")
        if not changed and not stale:
            self._say("would change nothing")
        self._report(facts, None)

    def do(self, is_forced: bool) -> None:
        """Copy, check, test, and let the board start."""
        if self._board.hold(self._ask_facts().here):
            # A watchdog that the sketch started would end the copying; only a reset stops it.
            self._say("main.py is held until all is done; the board restarts")
            self._line.restart(is_over=False)
        facts, wanted, changed, stale = self._plan(is_forced)
        check_room(facts, changed)
        self._board.make_folders(list(wanted))
        self._board.write_beside(changed, lambda path: self._say(f"copy    {path}"))
        self._verify({path + BESIDE: data for path, data in changed.items()}, "copied")
        self._is_begun = True
        self._board.swap(list(changed), stale)
        for path in stale:
            self._say(f"remove  {path}")
        self._verify(wanted, "in place")
        self._say(f"{len(wanted)} files are in place by their SHA-256, {len(changed)} were copied")
        tested = self._board.self_test(facts, self._bundle.packages)
        self._report(facts, tested)
        _check_self_test(facts, tested)
        self._board.release(facts.here)
        has_sketch = any(name in facts.root for name in (MAIN_NAME, MAIN_NAME + HELD))
        self._line.restart(is_over=True)
        if has_sketch or MAIN_NAME in self._own:
            self._say("the board starts main.py")
        else:
            self._say("there is no main.py on the board; give it one with --main FILE")

    def give_back(self) -> None:
        """After a failure let the board start what it had, as long as that is whole."""
        if self._facts is None or self._is_begun:
            return
        # The line itself may be what failed.
        with contextlib.suppress(DeployError):
            self._board.release(self._facts.here)
            self._line.restart(is_over=True)

    def _ask_facts(self) -> Facts:
        modules = modules_needed(self._bundle.libraries, self._settings)
        self._facts = self._board.facts(modules, self._bundle.bytecode)
        return self._facts

    def _plan(self, is_forced: bool) -> tuple[Facts, dict[str, bytes], dict[str, bytes], list[str]]:
        """Return what the board is, what it shall have, what differs, and what must go."""
        facts = self._ask_facts()
        below = dict(self._bundle.modules)
        below.update(library_files(facts.lacking, self._libraries, self._line.port))
        wanted = {f"{facts.folder}/{name}": data for name, data in below.items()}
        wanted.update({f"{facts.here}/{name}": data for name, data in self._own.items()})
        self._check_journal_apart(facts, list(wanted))
        ours = [f"{facts.folder}/{name}" for name in self._bundle.packages]
        have = self._board.hashes(ours, [path for path in wanted if path not in ours])
        leftovers = self._board.hashes([], [path + BESIDE for path in wanted])
        changed = {
            path: data
            for path, data in wanted.items()
            if is_forced or have.get(path, (0, ""))[1] != _digest(data)
        }
        known = set(wanted) | {path + BESIDE for path in changed}
        stale = sorted((set(have) | set(leftovers)) - known)
        return facts, wanted, changed, stale

    def _check_journal_apart(self, facts: Facts, paths: list[str]) -> None:
        """Refuse a journal among the modules, which get deleted, or in their way.

        An empty path comes first on a board: a folder "tidegate" beside main.py hides the package.
        """
        folder = self._settings.journal.folder
        folder = folder if folder.startswith("/") else f"{facts.here}/{folder}"
        inside = [path for path in paths if path.startswith(f"{folder.rstrip('/')}/")]
        roots = (facts.folder, facts.here)
        ours = [f"{root}/{name}" for root in roots for name in self._bundle.packages]
        if inside or any(f"{folder}/".startswith(f"{place}/") for place in ours):
            hint = 'give it a folder of its own, for example "tidegate-log"'
            raise DeployError("journal.folder: is where the node's own modules are", hint)

    def _verify(self, files: dict[str, bytes], state: str) -> None:
        have = self._board.hashes([], list(files))
        wrong = [
            path for path, data in files.items() if have.get(path, (0, ""))[1] != _digest(data)
        ]
        if wrong:
            what = f"{wrong[0]}: is not what was sent ({len(wrong)} files {state} are not)"
            raise DeployError(what, "repeat the command; if it stays so, the flash is worn out")

    def _say(self, text: str) -> None:
        self._console.print(escaped(text), markup=False, highlight=False, soft_wrap=True)

    def _report(self, facts: Facts, tested: dict[str, Any] | None) -> None:
        table = Table(show_header=False, title=f"the board on {escaped(self._line.port)}")
        wifi = "yes" if facts.wifi else "no: the node has no way out by itself"
        rows = [
            ("board", facts.machine),
            ("MicroPython", facts.shown_version),
            ("bytecode", f"loads version {facts.bytecode}, the bundle's"),
            ("tidegate", self._bundle.version),
            ("modules in", facts.folder),
            ("network module", wifi),
            ("flash free", f"{(tested or facts._asdict())['free']:,} of {facts.total:,} bytes"),
            ("heap free", f"{facts.heap:,} bytes before the node"),
        ]
        if tested is not None:
            rows.append(("heap with node", f"{tested['heap']:,} bytes, {tested['taken']:,} taken"))
            works = "put, synced, opened anew, read back" if tested["works"] else "FAILED"
            rows.append(("self-test", works))
        for name, value in rows:
            table.add_row(name, escaped(value).replace("[", "\\["))
        self._console.print(table)


def _check_self_test(facts: Facts, tested: dict[str, Any]) -> None:
    """Refuse a board on which the node does not work, and say why as far as it is known."""
    if tested["error"]:
        hint = "main.py stays held; a smaller node may fit: freeze it, or use the ROMFS image"
        if not tested["error"].startswith("MemoryError"):
            hint = "main.py stays held; has the board other libraries of the same name?"
        raise DeployError(f"the self-test failed on the board: {tested['error']}", hint)
    for name, place in tested["where"]:
        if not place.startswith(f"{facts.folder}/"):
            what = f"the board takes {name} from {place}, not from {facts.folder}"
            raise DeployError(what, "remove it there, or update it there instead")
    if not tested["works"]:
        what = "the self-test failed on the board: it read other records than it had put"
        raise DeployError(what, "main.py stays held; is the flash worn out?")


def _read_sketch(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DeployError(f"{path}: cannot be read: {reason}", "name it with --main") from None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
