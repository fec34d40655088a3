"""Give the names of one module those that they have in the group that it is joined into.

References follow the scopes of Python: functions with their arguments, classes, which are no scope
for the functions in them, and comprehensions.  What would mean something else afterwards is an
error of the build, never a guess.
"""

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class JoiningError(Exception):
    """Report what keeps modules from being joined, in one line."""


class Names(NamedTuple):
    """What the names of all modules are called: `home` has the group of each module, `finals` the
    name in its group of each (module, name at its top)."""

    home: "dict[str, str]"
    finals: "dict[tuple[str, str], str]"


def is_store(node: ast.AST) -> bool:
    """Tell whether a node binds a name."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def bound_in(body: "Iterable[ast.AST]") -> "set[str]":
    """Return the names that a scope binds by itself, not in the scopes inside it."""
    found: set[str] = set()
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        if isinstance(node, COMPREHENSIONS):
            # Of what is in it only `:=` binds a name out here.
            walrus = [one.target for one in ast.walk(node) if isinstance(one, ast.NamedExpr)]
            waiting.extend(walrus)
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        if not isinstance(node, ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def arguments_of(arguments: ast.arguments) -> "set[str]":
    """Return the names of a function's arguments."""
    every = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    found = {one.arg for one in every}
    for one in (arguments.vararg, arguments.kwarg):
        if one is not None:
            found.add(one.arg)
    return found


class Renamer(ast.NodeTransformer):
    """Renames in the tree of `module`, which becomes a part of its group."""

    def __init__(self, module: str, tree: ast.Module, names: Names) -> None:
        self._module = module
        self._home = names.home
        self._group = names.home[module]
        self._finals = names.finals
        self._scopes: list[set[str]] = []  # What the scopes around the node bind.
        self._aliases: dict[str, str] = {}  # Names that stand for a module of this group.
        self._names = {
            name: final for (owner, name), final in names.finals.items() if owner == module
        }
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                self._learn(node)

    def _learn(self, node: ast.ImportFrom) -> "set[str]":
        """Take note of what an import takes from this group; return the names that it binds."""
        learnt = set()
        for alias in node.names:
            bound, whole = alias.asname or alias.name, f"{node.module}.{alias.name}"
            if self._home.get(whole) == self._group:
                self._aliases[bound] = whole
                learnt.add(bound)
            elif whole not in self._home and self._home.get(node.module or "") == self._group:
                self._names[bound] = self._final(node.module or "", alias.name)
                learnt.add(bound)
        return learnt

    def _final(self, module: str, name: str) -> str:
        if (module, name) not in self._finals:
            raise JoiningError(f"{self._module} uses {module}.{name}, which is not there")
        return self._finals[module, name]

    def _is_local(self, name: str) -> bool:
        return any(name in scope for scope in self._scopes)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        """Rename what a module of MicroPython's own is called."""
        for alias in node.names:
            if alias.name in self._home:
                raise JoiningError(f"{self._module} imports {alias.name} whole: import from it")
            bound = alias.asname or alias.name
            final = bound if self._scopes else self._names.get(bound, bound)
            alias.asname = None if final == alias.name else final
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> "list[ast.stmt]":
        """Leave out what is in this group, and find the rest where it is now."""
        left: list[ast.stmt] = []
        for alias in node.names:
            module, name, bound = node.module or "", alias.name, alias.asname or alias.name
            if f"{module}.{name}" in self._home:
                if self._home[f"{module}.{name}"] == self._group:
                    continue
            elif module in self._home:
                if self._home[module] == self._group:
                    continue
                name, module = self._final(module, name), self._home[module]
            elif not self._scopes:
                bound = self._names.get(bound, bound)
            renamed = ast.alias(name, None if name == bound else bound)
            left.append(ast.ImportFrom(module, [renamed], 0))
        return left

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Rename a reference to the top of a module."""
        if not self._is_local(node.id):
            final = self._names.get(node.id, node.id)
            if final != node.id and self._is_local(final):
                raise JoiningError(f"{self._module}: {final} would hide {node.id}: rename it")
            node.id = final
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        """Rename what a function declares to be of the module."""
        node.names = [self._names.get(name, name) for name in node.names]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Turn `module.name` into the name, where the module is in this group."""
        value = node.value
        if isinstance(value, ast.Name) and not self._is_local(value.id):
            module = self._aliases.get(value.id)
            if module is not None:
                return ast.Name(self._final(module, node.attr), node.ctx)
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Rename in a function, which is a scope."""
        return self._function(node, is_method=False)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """Rename in a function, which is a scope."""
        return self._function(node, is_method=False)

    def _function(
        self, node: "ast.FunctionDef | ast.AsyncFunctionDef", is_method: bool
    ) -> "ast.FunctionDef | ast.AsyncFunctionDef":
        if not self._scopes and not is_method:
            node.name = self._names.get(node.name, node.name)
        node.returns = None
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        self._default_values(node.args)
        bound = bound_in(node.body) | arguments_of(node.args)
        names, aliases = dict(self._names), dict(self._aliases)
        for one in ast.walk(node):
            if isinstance(one, ast.Global):
                bound -= set(one.names)
            elif isinstance(one, ast.ImportFrom):
                # What a function takes from its own group is no name of its own any more.
                bound -= self._learn(one)
        self._scopes.append(bound)
        node.body = self._statements(node.body)
        self._scopes.pop()
        self._names, self._aliases = names, aliases
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """Rename in a lambda, which is a scope."""
        self._default_values(node.args)
        self._scopes.append(arguments_of(node.args))
        node.body = self.visit(node.body)
        self._scopes.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Rename in a class."""
        if not self._scopes:
            node.name = self._names.get(node.name, node.name)
        node.bases = [self.visit(one) for one in node.bases]
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        own = bound_in(node.body)
        body: list[ast.stmt] = []
        for one in node.body:
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body.append(self._function(one, is_method=True))
            else:
                self._scopes.append(own)
                body += self._statements([one])
                self._scopes.pop()
        node.body = body
        return node

    def _comprehension(self, node: ast.AST) -> ast.AST:
        targets = [one.target for one in getattr(node, "generators", [])]
        self._scopes.append(bound_in(targets))
        self.generic_visit(node)
        self._scopes.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_AnnAssign(self, node: ast.AnnAssign) -> "ast.AST | None":
        """Leave the type out, and all where nothing is assigned."""
        if node.value is None:
            return None
        assigned: ast.AST = self.visit(ast.Assign([node.target], node.value))
        return assigned

    def _default_values(self, arguments: ast.arguments) -> None:
        arguments.defaults = [self.visit(one) for one in arguments.defaults]
        arguments.kw_defaults = [one and self.visit(one) for one in arguments.kw_defaults]
        for one in arguments.posonlyargs + arguments.args + arguments.kwonlyargs:
            one.annotation = None

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Visit what is in a node; a body that loses all its statements still needs one."""
        ast.NodeTransformer.generic_visit(self, node)
        body = getattr(node, "body", None)
        if body == [] and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node

    def _statements(self, body: "list[ast.stmt]") -> "list[ast.stmt]":
        kept: list[ast.stmt] = []
        for one in body:
            visited = self.visit(one)
            if isinstance(visited, list):
                kept += visited
            elif visited is not None:
                kept.append(visited)
        return kept or [ast.Pass()]
