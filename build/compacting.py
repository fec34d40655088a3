"""Make of the modules of a node the few and small ones that a board gets.

What only type checkers and CPython read goes (`without_types`); modules that load together become
one, without what nobody uses (`joining`); constants stand where they are used (`constants`); names
become short (`shortening`), the most frequent ones first (`ordering`).  Nothing of it changes what
the program does; texts, files and protocols keep every byte.
"""

import ast
import re
from typing import TYPE_CHECKING, TypeGuard

from constants import inline
from joining import join
from ordering import name_common_first
from shortening import Shortened, shorten
from survey import Interface

if TYPE_CHECKING:
    from pathlib import Path

PLATFORM = "tidegate_micropython"
# The modules that load first, in this order, and what a sketch or `tidegate deploy` may use.
FIRST = [PLATFORM, f"{PLATFORM}.config", f"{PLATFORM}.composition"]
# `Secret` stands alone because secrets outlive the reader of the configuration: its methods
# would keep all of the module around them in memory.
PUBLIC = {
    "tidegate.config.secret.Secret",
    "tidegate.errors.StorageError",
    "tidegate.version.VERSION",
    f"{PLATFORM}.*",
    f"{PLATFORM}.node.*",
    f"{PLATFORM}.sampler.*",
}
# Modules that look attributes up by a text which is not a constant: `config` the keys of the
# configuration, `board` (joined with `composition`) names of the module `machine`.
LOOKS_UP = (f"{PLATFORM}.config", f"{PLATFORM}.composition")
KEYS = f"{PLATFORM}.keys"


def compacted(files: "dict[str, Path]") -> "tuple[dict[str, str], str]":
    """Return the texts of the modules by their path on a board, and what names became short ones.

    `files` are those of the program by their path on the import path.
    """
    texts = {}
    packages = set()
    for name, path in files.items():
        module = name.removesuffix(".py").replace("/", ".")
        if module.endswith(".__init__"):
            module = module.removesuffix(".__init__")
            packages.add(module)
        texts[module] = without_types(path.read_text(encoding="utf-8"))
    keys = set(re.findall(r"\w+", texts.get(KEYS, "")))
    left = join(texts, [name for name in FIRST if name in texts], PUBLIC)
    trees = {module: ast.parse(text) for module, text in left.items()}
    names = compact(trees, Interface(PUBLIC, dict.fromkeys(LOOKS_UP, keys)))
    result = {}
    for module, tree in trees.items():
        if not tree.body and not any(name.startswith(module + ".") for name in trees):
            continue  # A package that only held what is elsewhere now.
        init = "/__init__" if module in packages else ""
        result[f"{module.replace('.', '/')}{init}.py"] = ast.unparse(tree) + "\n"
    return result, names_text(names)


def compact(trees: "dict[str, ast.Module]", interface: Interface) -> Shortened:
    """Make modules small, each by itself; return the short names.  Changes the trees."""
    inline(trees, interface.public)
    names = shorten(trees, interface)
    for tree in trees.values():
        name_common_first(tree)
        ast.fix_missing_locations(tree)
    return names


def names_text(names: Shortened) -> str:
    """Return a table to read a traceback from a board with: a line "short name" each."""
    tables = [("", names.tops), ("", names.attributes)]
    tables += [(f"{owner}.", table) for (_, owner), table in names.own.items()]
    lines = {f"{short} {owner}{name}" for owner, table in tables for name, short in table.items()}
    return "".join([line + "\n" for line in sorted(lines)])


def without_types(text: str) -> str:
    """Return a module without what only a type checker or CPython looks at; lines keep their place.

    MicroPython would carry it along: `TYPE_CHECKING` is a variable there, so the imports below it
    are compiled, and it accepts `__slots__` without effect.  A record that adds to its `namedtuple`
    only the types of its fields is that tuple itself: a class less, and half of each instance.
    """
    lines = text.splitlines(keepends=True)
    for block in ast.walk(ast.parse(text)):
        body = getattr(block, "body", None)
        if not isinstance(body, list):
            continue
        for statement in body:
            if is_for_others(statement):
                first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
                # A body needs a statement; a constant is one, and compiles to nothing.
                left = "0\n" if len(body) == 1 else "\n"
                lines[first] = " " * statement.col_offset * len(left.strip()) + left
                lines[first + 1 : last] = ["\n"] * (last - first - 1)
            elif is_plain_record(statement):
                first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
                lines[first] = f"{statement.name} = {ast.unparse(statement.bases[0])}\n"
                lines[first + 1 : last] = ["\n"] * (last - first - 1)
    return "".join(lines)


def is_for_others(statement: ast.stmt) -> bool:
    """Tell whether a statement does nothing on MicroPython but take room."""
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test) == "TYPE_CHECKING" and not statement.orelse
    if isinstance(statement, ast.Assign):
        return ast.unparse(statement.targets[0]) in ("TYPE_CHECKING", "__slots__")
    return False


def is_plain_record(statement: ast.stmt) -> "TypeGuard[ast.ClassDef]":
    """Tell whether a class is a `namedtuple` to which nothing is added but texts and types."""
    if not isinstance(statement, ast.ClassDef) or statement.decorator_list:
        return False
    bases = [base for base in statement.bases if isinstance(base, ast.Call)]
    return [ast.unparse(base.func) for base in bases] == ["namedtuple"] and all(
        is_for_others(one)
        or (isinstance(one, ast.AnnAssign) and one.value is None)
        or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
        for one in statement.body
    )
