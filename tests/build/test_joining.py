"""Modules that are joined do what they did apart, and what would not is an error of the build."""

import sys

import pytest

from fixtures.node_bundle import ROOT

sys.path.insert(0, str(ROOT / "build"))
try:
    from joining import join
    from renaming import JoiningError
finally:
    sys.path.remove(str(ROOT / "build"))


def run(modules, name, monkeypatch):
    """Import one of the modules, given as texts; return it."""

    class Finder:
        @staticmethod
        def find_spec(fullname, path=None, target=None):
            if fullname not in modules:
                return None
            from importlib.machinery import ModuleSpec

            return ModuleSpec(fullname, Loader, is_package=True)

    class Loader:
        @staticmethod
        def create_module(spec):
            return None

        @staticmethod
        def exec_module(module):
            exec(compile(modules[module.__name__], module.__name__, "exec"), module.__dict__)

    for known in list(sys.modules):
        if known.partition(".")[0] == "program":
            monkeypatch.delitem(sys.modules, known)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    __import__(name)
    found = sys.modules[name]
    for known in list(sys.modules):
        if known.partition(".")[0] == "program":
            monkeypatch.delitem(sys.modules, known)
    return found


PROGRAM = {
    "program": "def start(n):\n    from program.main import work\n    return work(n)\n",
    "program.main": (
        "import struct\n"
        "from binascii import crc32\n"
        "from program import shapes\n"
        "from program.shared import SHARED\n"
        "from program.tools import size as size_of, Tool\n"
        "_HEAD = 'main'\n"
        "LIMIT: int = 3\n"
        "def helper(tool, size=LIMIT):\n"
        "    _HEAD_LOCAL = [tool for tool in [tool]]\n"
        "    return [_HEAD, size, _HEAD_LOCAL[0].name]\n"
        "def work(n):\n"
        "    from program.late import later\n"
        "    tool = Tool(n)\n"
        "    got = helper(tool) + [size_of(n), shapes.area(n), SHARED]\n"
        "    got += [later(n), tool.twice(), crc32(b''), struct.calcsize('<I')]\n"
        "    return got + [(lambda _HEAD: _HEAD)(5), {k: v for k, v in [(n, LIMIT)]}]\n"
    ),
    "program.tools": (
        "_HEAD = 'tools'\n"
        "def helper(n):\n"
        "    return [n, _HEAD]\n"
        "def size(n):\n"
        "    return helper(n)\n"
        "def open(n):\n"
        "    return 'mine'\n"
        "class Tool:\n"
        "    name = _HEAD\n"
        "    def __init__(self, n):\n"
        "        self.n = n\n"
        "    def twice(self):\n"
        "        return [self.n * 2, self.helper(), open(1)]\n"
        "    def helper(self):\n"
        "        return helper(self.n)\n"
        "    def unused_method(self):\n"
        "        return unused_function()\n"
        "def unused_function():\n"
        "    return UNUSED\n"
        "UNUSED = 5\n"
    ),
    "program.shapes": "_HEAD = 'shapes'\ndef area(n):\n    return [_HEAD, n * n]\n",
    "program.late": (
        "from program.shared import SHARED\n"
        "from program.shapes import area as helper\n"
        "_HEAD = 'late'\n"
        "def later(n):\n"
        "    return [_HEAD, SHARED, helper(n)]\n"
    ),
    "program.shared": "SHARED = 'shared'\n",
}
FIRST = ["program", "program.main"]
PUBLIC = {"program.start"}


def test_it_does_what_it_did(monkeypatch):
    expected = run(PROGRAM, "program", monkeypatch).start(7)
    made = join(PROGRAM, FIRST, PUBLIC)
    assert run(made, "program", monkeypatch).start(7) == expected


def test_what_loads_together_is_one_and_what_loads_later_is_apart():
    made = join(PROGRAM, FIRST, PUBLIC)
    assert sorted(made) == ["program", "program.late", "program.main"]
    assert "import area" in made["program.late"]
    assert "from program.main import" in made["program.late"]


def test_what_several_roots_need_stands_alone_unless_it_is_there_already():
    texts = dict(PROGRAM)
    texts["program"] += "def other():\n    from program.late import later\n    return later\n"
    assert "program.shared" not in join(texts, FIRST, {"program.start", "program.other"})
    assert "program.shared" in join(texts, ["program"], {"program.start", "program.other"})


def test_what_nobody_uses_is_left_out():
    text = join(PROGRAM, FIRST, PUBLIC)["program.main"]
    for name in ("unused_method", "unused_function", "UNUSED"):
        assert name not in text
    kept = join(PROGRAM, FIRST, {*PUBLIC, "program.tools.*"})
    assert "unused_method" in kept["program.tools"]


def test_equal_sources_give_equal_texts():
    backwards = dict(reversed(PROGRAM.items()))
    assert join(PROGRAM, FIRST, PUBLIC) == join(backwards, FIRST, PUBLIC)


def joined_with(main):
    tools = "def scan():\n    return 1\n"
    texts = {"program": "def start():\n    from program.main import f\n    return f()\n"}
    texts.update({"program.main": main, "program.tools": tools})
    return join(texts, FIRST, PUBLIC)


@pytest.mark.parametrize(
    ("main", "message"),
    [
        (
            "from program.tools import scan as look\n"
            "def f():\n    scan = 2\n    return look() + scan\n",
            "scan would hide look",
        ),
        (
            "from program.tools import gone\ndef f():\n    return gone()\n",
            "gone, which is not there",
        ),
        ("import program.tools\ndef f():\n    return program\n", "imports program.tools whole"),
    ],
)
def test_what_would_mean_something_else_is_refused(main, message):
    with pytest.raises(JoiningError, match=message):
        joined_with(main)
