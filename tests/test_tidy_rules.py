"""Every tidy rule finds what it looks for, and leaves alone what is allowed."""

import pytest

from tidy import core_rules, shape_rules, tree_rules

FORBIDDEN = [
    (core_rules.imports, "import os"),
    (core_rules.imports, "import collections.abc"),
    (core_rules.imports, "from typing import NamedTuple"),
    (core_rules.imports, "from collections import Counter"),
    (core_rules.imports, "from collections.abc import Callable"),
    (core_rules.imports, "from . import record"),
    (core_rules.imports, "def f():\n    import time"),
    (core_rules.imports, "if TYPE_CHECKING:\n    pass\nelse:\n    import typing"),
    (core_rules.syntax, "match x:\n    case 1:\n        pass"),
    (core_rules.syntax, "[*a, b]"),
    (core_rules.syntax, "x = (1, *b)"),
    (core_rules.syntax, "{*a}"),
    (core_rules.syntax, "{**a}"),
    (core_rules.syntax, "def f(a, /): pass"),
    (core_rules.syntax, "raise ValueError() from error"),
    (core_rules.syntax, "try:\n    pass\nexcept* OSError:\n    pass"),
    (core_rules.syntax, "async def f(): pass"),
    (core_rules.syntax, "del x[:2]"),
    (core_rules.syntax, "@cache\ndef f(): pass"),
    (core_rules.syntax, "class A(B, C): pass"),
    (core_rules.syntax, "class A(metaclass=B): pass"),
    (core_rules.syntax, "with (a, b):\n    pass"),
    (core_rules.syntax, "with (\n    a() as b,\n    c() as d,\n):\n    pass"),
    (core_rules.syntax, "x = 'a' 'b'"),
    (core_rules.syntax, "x = (\n    'a'\n    f'{b}'\n)"),
    (core_rules.calls, "print(1)"),
    (core_rules.calls, "open('a')"),
    (core_rules.calls, "now = time.monotonic()"),
    (core_rules.calls, "random.random()"),
    (core_rules.calls, "'ab'.removeprefix('a')"),
    (core_rules.calls, "record._replace(a=1)"),
    (core_rules.calls, "zip(a, b, strict=True)"),
    (core_rules.calls, "namedtuple('A', 'a', defaults=(1,))"),
    (core_rules.calls, "try:\n    pass\nexcept UnicodeDecodeError:\n    pass"),
    (core_rules.integers, "def f(x):\n    return isinstance(x, int)"),
    (core_rules.integers, "def f(x):\n    return isinstance(x, (str, int))"),
    (shape_rules.file_length, "\n" * 401),
    (shape_rules.line_length, "#" * 101),
    (shape_rules.function_length, "def f():\n" + "    pass\n" * 50),
    (shape_rules.module_docstring, "x = 1"),
    (shape_rules.swallowed_errors, "try:\n    f()\nexcept:\n    g()"),
    (shape_rules.swallowed_errors, "try:\n    f()\nexcept Exception:\n    pass"),
    (shape_rules.swallowed_errors, "try:\n    f()\nexcept (OSError, BaseException):\n    ..."),
    (shape_rules.reminders, "# " + "TO" + "DO: later"),
    (shape_rules.reminders, "# " + "FIX" + "ME"),
    (tree_rules.foreign_names({"host.test"}), "index = https://HOST.test/simple"),
]

ALLOWED = [
    (
        core_rules.imports,
        "import struct\nfrom binascii import crc32\nfrom tidegate.record import x",
    ),
    (core_rules.imports, "from collections import OrderedDict, deque, namedtuple"),
    (core_rules.imports, "if TYPE_CHECKING:\n    from typing import Protocol"),
    (core_rules.syntax, "first, *rest = a\nf(*rest, **options)\n[a, b]\n{'a': 1}"),
    (core_rules.syntax, "class A(namedtuple('A', ('a',))):\n    @property\n    def b(self): pass"),
    (core_rules.syntax, "with a() as b, c() as d:\n    pass\nwith (a or b) as c:\n    pass"),
    (core_rules.syntax, "x = 'a' + f'{b}'\ny = ['a', 'b']"),
    (core_rules.syntax, "'''Docstring.'''\n'''Another statement.'''"),
    (core_rules.calls, "self.open()\nbackoff.time_ms = 1\ndef f(time_ms): return time_ms"),
    (core_rules.calls, "if TYPE_CHECKING:\n    x = time.time()"),
    (core_rules.integers, "def f(x):\n    return x is not True and isinstance(x, int)"),
    (core_rules.integers, "def f(x):\n    return isinstance(x, str)"),
    (shape_rules.file_length, "\n" * 400),
    (shape_rules.line_length, "#" * 100),
    (shape_rules.function_length, "def f():\n" + "    pass\n" * 49),
    (shape_rules.module_docstring, "'''What it is.'''"),
    (shape_rules.swallowed_errors, "try:\n    f()\nexcept OSError:\n    pass"),
    (shape_rules.swallowed_errors, "try:\n    f()\nexcept Exception as error:\n    log(error)"),
    (shape_rules.reminders, "# a hacksaw for a todo-list"),
    (tree_rules.foreign_names({"host.test"}), "url = http://host-test/"),
]


def case_name(value):
    return value.__name__ if callable(value) else value[:30].replace("\n", " ")


@pytest.mark.parametrize(("rule", "text"), FORBIDDEN, ids=case_name)
def test_rule_finds_the_planted_violation(rule, text):
    assert list(rule(text + "\n"))


@pytest.mark.parametrize(("rule", "text"), ALLOWED, ids=case_name)
def test_rule_leaves_alone_what_is_allowed(rule, text):
    assert list(rule(text if text.endswith("\n") else text + "\n")) == []


def plant(root, name, text=""):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_package_in_a_folder_of_programs_is_found(tmp_path):
    planted = plant(tmp_path, "packaging/__init__.py")
    allowed = plant(tmp_path, "core/tidegate/__init__.py")
    assert list(tree_rules.no_package(tmp_path, [planted]))
    assert not list(tree_rules.no_package(tmp_path, [allowed]))


def test_large_file_is_found(tmp_path):
    large = plant(tmp_path, "large", "x" * (tree_rules.FILE_BYTES_MAX + 1))
    small = plant(tmp_path, "small", "x" * tree_rules.FILE_BYTES_MAX)
    assert len(list(tree_rules.file_size(tmp_path, [large, small]))) == 1


def test_core_module_without_its_test_is_found(tmp_path):
    plant(tmp_path, "core/tidegate/delivery/backoff.py", "def delay(): return 1")
    plant(tmp_path, "core/tidegate/limits.py", "LIMIT = 1")
    plant(
        tmp_path,
        "core/tidegate/ports.py",
        "class Port:\n    def close(self):\n        '''Close.'''",
    )
    (message,) = tree_rules.own_test(tmp_path)
    assert "test_backoff.py" in message
    plant(tmp_path, "tests/core/test_backoff.py")
    assert not list(tree_rules.own_test(tmp_path))


def test_core_module_missing_from_the_contents_is_found(tmp_path):
    plant(tmp_path, "core/tidegate/__init__.py", "'''Contents: record.'''")
    plant(tmp_path, "core/tidegate/records/record.py")
    plant(tmp_path, "core/tidegate/cord.py")
    assert list(tree_rules.named_in_init(tmp_path)) == [
        "core/tidegate/__init__.py does not name cord"
    ]


def test_command_missing_from_the_readme_is_found():
    help_text = (
        "Usage: x\n\nOptions:\n  --help  Show.\n\nCommands:\n  hub  Run.\n  run\n  dry-run  Do.\n"
    )
    commands = tree_rules.commands_of(help_text)
    assert commands == ["hub", "run", "dry-run"]
    readme = "Type `tidegate run -c FILE`, or `tidegate dry-run`; the hub is another program."
    (message,) = tree_rules.commands_in(readme, commands)
    assert "tidegate hub" in message


def test_this_checkout_and_its_registries_are_known(tmp_path):
    names = tree_rules.local_names(tmp_path)
    assert f"{tmp_path}/" in names
    assert tree_rules.hosts("url = https://one.test/simple http://two.test:80") == {
        "one.test",
        "two.test",
    }
    assert tree_rules.pip_hosts()
