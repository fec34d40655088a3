"""Name first what a module names most often.

Bytecode refers to a name by its place in the module's table: with one byte to the first 128, with
two to all others, and the table is in the order in which the compiler meets the names.  A loop over
nothing at the head of a large module has it meet the most frequent ones first.
"""

import ast
from collections import Counter

from scopes import FUNCTION, ScopeVisitor

ONE_BYTE_MAX = 128
# What stands in the table before the names of the loop: the module's and the loop variable's.
BEFORE = 2
COST_BYTES = 2  # Of a name in the loop.


def name_common_first(tree: ast.Module) -> None:
    """Put the loop at the head of a module, if it is worth its bytes.  Changes the tree."""
    counts = Counter(_names(tree))
    if len(counts) <= ONE_BYTE_MAX:
        return
    common = sorted(counts, key=lambda name: (-counts[name], name))[: ONE_BYTE_MAX - BEFORE]
    # It saves nothing for those that the module itself would name as early.
    early = set(list(dict.fromkeys(_names_at_top(tree)))[:ONE_BYTE_MAX])
    saved = sum([counts[name] for name in common if name not in early])
    if saved <= COST_BYTES * len(common):
        return
    chain = ".".join(["_", *common])
    tree.body[:0] = ast.parse(f"for _ in ():\n    {chain}\n").body


def _names(tree: ast.Module) -> "list[str]":
    """Return every name that the bytecode of a tree refers to, as often as it does."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found += [node.name, node.name]  # In its own head, and where it is stored.
        elif isinstance(node, ast.arg):
            found.append(node.arg)
        elif isinstance(node, ast.Attribute):
            found.append(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.append(node.arg)
    outside = _NamesOutside(tree)
    outside.visit(tree)
    return found + outside.found


class _NamesOutside(ScopeVisitor):
    """Collects the names that are not local: those in functions take no room."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__(tree)
        self.found: list[str] = []

    def visit_Name(self, node: ast.Name) -> None:
        """Take note of a name."""
        if self.owner(node.id).kind != FUNCTION:
            self.found.append(node.id)


def _names_at_top(tree: ast.Module) -> "list[str]":
    found = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append(node.name)
        else:
            found += [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
    return found
