"""Join modules of one program into few, and leave out what nobody uses.

A board pays for every module, for every name that one module takes from another, and for texts
that several files repeat: a sixth of the bytes, a quarter of the heap.  So modules that are always
loaded together become one:

- A *group* is a module that is loaded for itself (a root) and all that it alone brings along.  A
  module that several roots need stands alone, unless it is in a group that is loaded before them.
- Within a group each name at the top of a module gets a name that is nobody else's.
- What is at the top of a module, and every method, that no name anywhere refers to is left out.
  Names in texts do not count: nothing here looks attributes up by text.
"""

import ast
import builtins
from typing import TYPE_CHECKING, NamedTuple

from renaming import Names, Renamer, bound_in, is_store

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
BUILT_IN = set(dir(builtins))


class Program(NamedTuple):
    """Modules by name."""

    trees: "dict[str, ast.Module]"

    def imports(self, name: str, is_eager: bool) -> "Iterator[str]":
        """Yield the modules of ours that a module imports: when it loads, or only later."""
        for node, when_loaded in _imports_of(self.trees[name]):
            if when_loaded == is_eager:
                yield from self.targets(node)

    def targets(self, node: "ast.Import | ast.ImportFrom") -> "Iterator[str]":
        """Yield the modules of ours that one statement imports."""
        for alias in node.names:
            if isinstance(node, ast.Import):
                whole = alias.name
            else:
                whole = f"{node.module}.{alias.name}"
                if whole not in self.trees:
                    whole = str(node.module)
            if whole in self.trees:
                yield whole

    def reach(self, root: str) -> "set[str]":
        """Return a module and all that loads with it."""
        found: set[str] = set()
        waiting = [root]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.imports(name, is_eager=True)
        return found


def _imports_of(
    tree: ast.AST, when_loaded: bool = True
) -> "Iterator[tuple[ast.Import | ast.ImportFrom, bool]]":
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, when_loaded
        else:
            yield from _imports_of(node, when_loaded and not isinstance(node, FUNCTIONS))


def join(texts: "dict[str, str]", first: "list[str]", public: "set[str]") -> "dict[str, str]":
    """Return the modules that are left, by name, with their text.

    `first` are the roots in the order in which they load, before all others.  `public` are what may
    be used from outside: "module.name", or "module.*" for all of it; their modules stand alone.
    """
    program = Program({name: ast.parse(text) for name, text in texts.items()})
    home = _homes(program, first, {name.rpartition(".")[0] for name in public})
    _leave_out(program, public)
    names = Names(home, _final_names(program, home))
    groups: dict[str, list[ast.stmt]] = {}
    for name in _in_order(program, first):
        tree = program.trees[name]
        renamed = Renamer(name, tree, names).visit(tree)
        groups.setdefault(home[name], []).extend(renamed.body)
    return {
        group: ast.unparse(ast.fix_missing_locations(ast.Module(_imported_once(body), []))) + "\n"
        for group, body in sorted(groups.items())
    }


def _homes(program: Program, first: "list[str]", apart: "set[str]") -> "dict[str, str]":
    """Return in which group each module is: a group has the name of its root."""
    roots = list(first)
    for name in sorted(program.trees):
        roots += [one for one in program.imports(name, is_eager=False) if one not in roots]
    reaches = {root: program.reach(root) for root in roots}
    home: dict[str, str] = {}
    for name in program.trees:
        users = [root for root in roots if name in reaches[root]]
        early = [root for root in users if root in first]
        users = early or users
        alone = name in roots or name in apart or len(users) != 1
        home[name] = name if alone else users[0]
    return home


def _in_order(program: Program, first: "list[str]") -> "list[str]":
    """Return the modules so that each comes behind those that load with it."""
    order: list[str] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name not in seen:
            seen.add(name)
            for one in program.imports(name, is_eager=True):
                add(one)
            order.append(name)

    for name in first + sorted(program.trees):
        add(name)
    return order


def _leave_out(program: Program, public: "set[str]") -> None:
    """Take out what nothing refers to, until nothing more goes."""
    kept = {name.rpartition(".")[2] for name in public}
    gone = 1
    while gone:
        gone = 0
        names = set(kept)
        for tree in program.trees.values():
            names |= _names_used(tree)
        for module, tree in program.trees.items():
            if f"{module}.*" not in public:
                gone += _prune(tree, names)
                for node in tree.body:
                    if isinstance(node, ast.ClassDef):
                        gone += _prune(node, names)


def _names_used(tree: ast.AST) -> "set[str]":
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            # Imported to be used; an import that its module does not use goes as such.
            used |= {alias.name for alias in node.names}
    return used


def _prune(block: "ast.Module | ast.ClassDef", names: "set[str]") -> int:
    """Take out of a block what is not among the names; return how much that was."""
    left: list[ast.stmt] = []
    gone = 0
    used = {node.id for node in ast.walk(block) if isinstance(node, ast.Name)}
    for node in block.body:
        if _is_unused(node, names):
            gone += 1
            continue
        if isinstance(node, ast.ImportFrom):
            wanted = [alias for alias in node.names if (alias.asname or alias.name) in used]
            gone += len(node.names) - len(wanted)
            if not wanted:
                continue
            node.names = wanted
        left.append(node)
    if not left and isinstance(block, ast.ClassDef):
        left = [ast.Pass()]
    block.body = left
    return gone


def _is_unused(node: ast.stmt, names: "set[str]") -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node.name not in names and not node.name.startswith("__")
    if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Constant, ast.Tuple)):
        bound = {
            name.id for name in ast.walk(node) if isinstance(name, ast.Name) and is_store(name)
        }
        return bool(bound) and not bound & names
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _final_names(program: Program, home: "dict[str, str]") -> "dict[tuple[str, str], str]":
    """Return for each (module, name at its top) the name that it has in its group."""
    owners: dict[tuple[str, str], list[str]] = {}
    own: dict[str, set[str]] = {}
    for module, tree in sorted(program.trees.items()):
        taken: set[str] = set()
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and any(True for _ in program.targets(node)):
                taken |= {alias.asname or alias.name for alias in node.names}
        own[module] = bound_in(tree.body) - taken
        for name in own[module]:
            owners.setdefault((home[module], name), []).append(module)
    finals = {}
    for module, names in own.items():
        for name in names:
            modules = owners[home[module], name]
            is_one = len(modules) == 1 and name not in BUILT_IN
            if is_one or _is_same_import(program, modules, name):
                finals[module, name] = name
            else:
                finals[module, name] = f"{name}_{modules.index(module)}"
    return finals


def _is_same_import(program: Program, modules: "list[str]", name: str) -> bool:
    """Tell whether a name is one and the same thing of MicroPython's own in all these modules."""
    sources = {_source_of(program.trees[module], name) for module in modules}
    return len(sources) == 1 and None not in sources


def _source_of(tree: ast.Module, name: str) -> "tuple[str, str] | None":
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return str(getattr(node, "module", "")), alias.name
    return None


def _imported_once(body: "list[ast.stmt]") -> "list[ast.stmt]":
    seen: set[tuple[str, str, str]] = set()
    kept = []
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = str(getattr(node, "module", ""))
            keys = [(module, alias.name, alias.asname or "") for alias in node.names]
            node.names = [
                alias for key, alias in zip(keys, node.names, strict=True) if key not in seen
            ]
            seen.update(keys)
            if not node.names:
                continue
        kept.append(node)
    return kept
