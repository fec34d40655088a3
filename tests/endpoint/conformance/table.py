"""Which test checks which normative statement of MQTT, and the page that says so.

A test names what it checks; the statements are in `statements_v311` and `statements_v5`:

    @pytest.mark.conforms("5.0", "MQTT-3.1.2-4", "MQTT-3.2.2-2")
    def test_a_clean_start_throws_the_old_session_away(site): ...

`python tests/endpoint/conformance/table.py` writes docs/conformance.md.
"""

import ast
import importlib
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent  # What only the transport can show is tested beside it.
PAGE = HERE.parents[2] / "docs" / "conformance.md"
MODULES = {"3.1.1": "statements_v311", "5.0": "statements_v5"}

SERVER, CLIENT, BOTH = "server", "client", "both"

HEAD = """# Conformance of the MQTT endpoint

Written by `python tests/endpoint/conformance/table.py`; do not edit.

Every numbered statement of the OASIS standards MQTT 3.1.1 and MQTT 5.0, in our own short words, and
the tests that fail where the endpoint does not keep it. The numbers are those of the standards,
whose text alone counts. The tests are in `tests/endpoint` and its folder `conformance`.

One deviation is meant, from MQTT-4.3.2-5: in a kept session a message of QoS 1 that comes again
with DUP, under the packet identifier and with the content of one that was taken in shortly before,
is acknowledged and not taken in again. A PUBACK that was lost does not make two samples of one.
"""


class Statement(NamedTuple):
    """A numbered statement; `binds` is SERVER, CLIENT, BOTH or why no test can check it."""

    number: str
    text: str
    binds: str

    @property
    def is_tested(self) -> bool:
        """Tell whether a test has to name it."""
        return self.binds in (SERVER, BOTH)


def statements(version: str) -> list[Statement]:
    """Return the statements of a version, in their order; none where they are not written yet."""
    if not (HERE / f"{MODULES[version]}.py").exists():
        return []
    module = importlib.import_module(f"endpoint.conformance.{MODULES[version]}")
    return [Statement(*each) for each in module.STATEMENTS]


def claims() -> dict[tuple[str, str], list[str]]:
    """Return what the tests claim: (version, number) -> names of tests, as file::function."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                continue
            for version, number in _named(node):
                found.setdefault((version, number), []).append(f"{path.name}::{node.name}")
    return found


def page() -> str:
    """Return the text of the page."""
    tests = claims()
    lines = [HEAD]
    for version in MODULES:
        stated = statements(version)
        lines += [
            f"## MQTT {version}",
            "",
            "| Statement | In short | Checked by |",
            "|---|---|---|",
        ]
        lines += [_row(one, tests.get((version, one.number), [])) for one in stated]
        lines.append("")
    return "\n".join(lines)


def _named(node: ast.FunctionDef) -> list[tuple[str, str]]:
    pairs = []
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(".conforms"):
            version, *numbers = [ast.literal_eval(each) for each in decorator.args]
            pairs += [(version, number) for number in numbers]
    return pairs


def _row(statement: Statement, tests: list[str]) -> str:
    if tests:
        checked = "<br>".join(f"`{name}`" for name in tests)
    elif statement.binds == CLIENT:
        checked = "binds the client"
    else:
        checked = statement.binds
    return f"| {statement.number} | {statement.text} | {checked} |"


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[1]))
    PAGE.write_text(page())
