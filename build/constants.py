"""Put constants of modules where they are used, and leave out what named them.

To MicroPython a name at the top of a module is an entry of a dict, which is looked up at each use;
the number itself is shorter than the look-up.  Taken are whole numbers, truths and short texts
that are assigned once, and by no attribute of that name; also where they are worked out from other
constants.  What may be used from outside, or as an attribute of its module, stays as well.
"""

import ast
from typing import TYPE_CHECKING

from renaming import is_store
from scopes import MODULE, ScopeVisitor

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is beyond is an object of its own at every place: MicroPython has it once when it has a name.
NUMBER_MAX = (1 << 30) - 1
TEXT_CHARACTERS_MAX = 10
_OPERATORS = (ast.BinOp, ast.UnaryOp, ast.Constant, ast.operator, ast.unaryop)

Constants = dict[tuple[str, str], ast.Constant]


def inline(trees: "dict[str, ast.Module]", public: "set[str]") -> None:
    """Put the constants of all modules where they are used.  Changes the trees."""
    while True:
        found: Constants = {}
        set_outside = _names_of_attributes(trees, ast.Store)
        for module, tree in trees.items():
            constants = [one for one in _constants(tree) if one[0] not in set_outside]
            found.update({(module, name): value for name, value in constants})
        used = [_use(module, tree, found) for module, tree in trees.items()]
        if True not in used:
            break
    _leave_out(trees, found, public)


def _names_of_attributes(
    trees: "dict[str, ast.Module]", context: "type[ast.expr_context]"
) -> "set[str]":
    return {
        node.attr
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, context)
    }


def _constants(tree: ast.Module) -> "Iterator[tuple[str, ast.Constant]]":
    """Yield the constants at the top of a module."""
    stores: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            stores.update(dict.fromkeys(node.names, 2))
    visitor = _UsesOfTop(tree)
    visitor.visit(tree)
    for node in visitor.found:
        if is_store(node) or isinstance(node.ctx, ast.Del):
            stores[node.id] = stores.get(node.id, 0) + 1
    for statement in tree.body:
        for target, node in _assigned(statement):
            value = _value(node)
            if stores[target.id] == 1 and value is not None:
                yield target.id, value


def _assigned(statement: ast.stmt) -> "list[tuple[ast.Name, ast.expr]]":
    """Return which names a statement gives which values: one, or as many as there are values."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return []
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Name):
        return [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=True)
        return [(name, one) for name, one in pairs if isinstance(name, ast.Name)]
    return []


def _value(node: ast.expr) -> "ast.Constant | None":
    """Return what an expression is worth, if that is known here and small."""
    if not all(isinstance(one, _OPERATORS) for one in ast.walk(node)):
        return None
    value = eval(ast.unparse(node), {})
    if isinstance(value, str):
        return ast.Constant(value) if len(value) <= TEXT_CHARACTERS_MAX else None
    if isinstance(value, int) and abs(value) <= NUMBER_MAX:
        return ast.Constant(value)
    return None


class _UsesOfTop(ScopeVisitor):
    """Collects the names that belong to the top of a module."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__(tree)
        self.found: list[ast.Name] = []

    def visit_Name(self, node: ast.Name) -> None:
        """Take note of a name."""
        if self.owner(node.id).kind == MODULE:
            self.found.append(node)


def _use(module: str, tree: ast.Module, found: Constants) -> bool:
    """Put constants where a module uses them; tell whether any was."""
    known = {name: value for (owner, name), value in found.items() if owner == module}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                value = found.get((node.module or "", alias.name))
                if value is not None:
                    known[alias.asname or alias.name] = value
    visitor = _UsesOfTop(tree)
    visitor.visit(tree)
    uses = {id(one) for one in visitor.found if isinstance(one.ctx, ast.Load) and one.id in known}
    _Replacer(uses, known).visit(tree)
    return bool(uses)


class _Replacer(ast.NodeTransformer):
    """Replaces names, given by the identity of their nodes, by constants."""

    def __init__(self, uses: "set[int]", known: "dict[str, ast.Constant]") -> None:
        self._uses = uses
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a name."""
        return self._known[node.id] if id(node) in self._uses else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Replace in a text with values in it: a constant becomes part of the text."""
        self.generic_visit(node)
        for at, value in enumerate(node.values):
            if (
                isinstance(value, ast.FormattedValue)
                and isinstance(value.value, ast.Constant)
                and value.format_spec is None
                and value.conversion < 0
            ):
                node.values[at] = ast.Constant(str(value.value.value))
        return node


def _leave_out(trees: "dict[str, ast.Module]", found: Constants, public: "set[str]") -> None:
    """Take out what named the constants, and the imports of it."""
    attributes = _names_of_attributes(trees, ast.Load)
    inner = set()  # What functions import.
    for tree in trees.values():
        for node in tree.body:
            if not isinstance(node, ast.ImportFrom):
                inner |= {
                    (one.module, alias.name)
                    for one in ast.walk(node)
                    if isinstance(one, ast.ImportFrom)
                    for alias in one.names
                }
    gone = {
        (module, name)
        for module, name in found
        if name not in attributes
        and (module, name) not in inner
        and not {f"{module}.*", f"{module}.{name}"} & public
    }
    for module, tree in trees.items():
        tree.body = [one for one in tree.body if not _is_gone(module, one, gone, found)]


def _is_gone(
    module: str, statement: ast.stmt, gone: "set[tuple[str, str]]", found: Constants
) -> bool:
    if isinstance(statement, ast.ImportFrom):
        # Public ones are imported no more either: all that used them has the constant.
        statement.names = [
            alias for alias in statement.names if (statement.module or "", alias.name) not in found
        ]
        return not statement.names
    names = [name.id for name, _ in _assigned(statement)]
    return bool(names) and all((module, name) in gone for name in names)
