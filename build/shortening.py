"""Give the names of a program short ones, and remember which.

To MicroPython a name is bytes of the file and an entry of a table in memory, a third of a node.
Shortened are what modules define at their top, attributes and methods that a module of ours
defines, fields of records, and arguments.  Kept is what somebody else may know by its name:

- what is public, and what a public class or function calls its methods, attributes and arguments;
- what MicroPython, or a library, calls something of its own (`foreign_names`): which of both an
  attribute is cannot be seen;
- what is looked up by text (`getattr` and its kin), where it is not a constant: what `by_text` says
  of the module;
- exceptions, and everything with two underscores in front.

One name becomes the same short one everywhere, so that modules still fit each other; but for
attributes of nobody but `self`, which each class has for itself.
"""

import ast
import keyword
import string
from typing import TYPE_CHECKING, NamedTuple

from renaming import JoiningError
from scopes import CLASS, MODULE, ScopeVisitor
from survey import Interface, Survey, field_names, ranked, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

POSITIONAL = 24  # Short names for arguments that nobody names in a call.


class Shortened(NamedTuple):
    """The short names."""

    tops: "dict[str, str]"
    attributes: "dict[str, str]"  # Also of arguments that are named in calls.
    own: "dict[tuple[str, str], dict[str, str]]"  # Attributes of a (module, class) alone.
    arguments: "list[str]"  # By position.


def shorten(trees: "dict[str, ast.Module]", interface: Interface) -> Shortened:
    """Rename in all modules of a program; return the short names.  Changes the trees."""
    survey = Survey(trees, interface)
    names = _choose(survey)
    for module, tree in trees.items():
        _Shortener(module, tree, survey, names).visit(tree)
    return names


def _choose(survey: Survey) -> Shortened:
    """Choose the shortest names for what is used most."""
    tops = [name for name in ranked(survey.tops) if name not in survey.kept_tops]
    owns = {owner: survey.own_names(owner) for owner in survey.own}
    ours = [
        name
        for name in ranked(survey.attributes)
        if name in survey.defined and name not in survey.kept_attributes and name in survey.shared
    ]
    named = [name for name in ours if name in survey.keywords]
    ours = [name for name in ours if name not in survey.keywords]
    taken = survey.locals | survey.kept_tops | survey.kept_attributes | set(survey.tops)
    taken |= {name for name in survey.attributes if name not in survey.defined}
    own_count = max([0, *map(len, owns.values())])
    # Attributes, tops of modules and arguments never meet and may be called the same, but for
    # arguments that are attributes as well.
    count = max(POSITIONAL + len(tops), own_count + len(ours), POSITIONAL)
    free = _short_names(taken)
    short = [next(free) for _ in range(count + len(named))]
    attributes = dict(zip(ours, short[own_count:], strict=False))
    attributes.update(zip(named, short[count:], strict=True))
    return Shortened(
        dict(zip(tops, short[POSITIONAL:], strict=False)),
        attributes,
        {owner: dict(zip(names, short, strict=False)) for owner, names in owns.items()},
        short[:POSITIONAL],
    )


def _short_names(taken: "set[str]") -> "Iterator[str]":
    first = string.ascii_letters + "_"
    waiting = list(first)
    at = 0
    while True:
        name = waiting[at]
        at += 1
        waiting += [name + letter for letter in first + string.digits]
        if name not in taken and not keyword.iskeyword(name) and not name.startswith("__"):
            yield name


class _Shortener(ScopeVisitor):
    """Renames in one module."""

    def __init__(self, module: str, tree: ast.Module, survey: Survey, names: Shortened) -> None:
        super().__init__(tree)
        self._module = module
        self._survey = survey
        self._names = names
        self._arguments: dict[int, dict[str, str]] = {}  # By the node of the function.

    def _attribute(self, name: str, owner: "ast.ClassDef | None" = None) -> str:
        own = self._names.own.get((self._module, owner.name), {}) if owner else {}
        return own.get(name) or self._names.attributes.get(name, name)

    def _top(self, name: str) -> str:
        return self._names.tops.get(name, name)

    def visit_Name(self, node: ast.Name) -> None:
        """Rename where the name belongs to the module, a class, or is an argument."""
        owner = self.owner(node.id)
        if owner.kind == MODULE:
            node.id = self._top(node.id)
        elif owner.kind == CLASS:
            node.id = self._attribute(node.id, self.class_here())
        else:
            node.id = self._arguments.get(id(owner.node), {}).get(node.id, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Rename an attribute."""
        node.attr = self._attribute(node.attr, self.class_of(node.value))
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        """Rename what a function declares to be of the module."""
        node.names = [self._top(name) for name in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Rename what comes from a module of ours; inside a function it keeps its name there."""
        for alias in node.names:
            if node.module not in self._survey.modules:
                continue
            bound, name = alias.asname or alias.name, self._top(alias.name)
            if len(self.scopes) == 1:
                bound = self._top(bound)
            alias.name, alias.asname = name, None if bound == name else bound

    def visit_Call(self, node: ast.Call) -> None:
        """Rename the fields of a record, and the arguments that a call names."""
        fields = [self._attribute(text_of(one)) for one in field_names(node)]
        if fields:
            # One text: those in a tuple would be as many objects, for as long as the module lives.
            name = self._top(text_of(node.args[0]))
            node.args[:2] = [ast.Constant(name), ast.Constant(" ".join(fields))]
        for named in node.keywords:
            named.arg = named.arg and self._attribute(named.arg)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Rename a class."""
        super().visit_ClassDef(node)
        node.name = self._defined(node.name)

    def _defined(self, name: str) -> str:
        kind = self.scopes[-1].kind
        if kind == CLASS:
            return self._attribute(name, self.class_here())
        return self._top(name) if kind == MODULE else name

    def _function(self, node: "ast.FunctionDef | ast.AsyncFunctionDef") -> None:
        self._learn(node)
        super()._function(node)
        self._rename_arguments(node)
        node.name = self._defined(node.name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Rename the arguments of a lambda."""
        self._learn(node)
        super().visit_Lambda(node)
        self._rename_arguments(node)

    def _learn(self, node: "ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda") -> None:
        """Choose what the arguments of a function are called."""
        # Functions inside others see the arguments of those.
        used = sum([len(self._arguments.get(id(scope.node), ())) for scope in self.scopes])
        chosen = {}
        every = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        every += [one for one in (node.args.vararg, node.args.kwarg) if one is not None]
        for one in every:
            if one.arg in self._survey.keywords or one.arg in self._survey.kept_attributes:
                chosen[one.arg] = self._attribute(one.arg)
            else:
                if used >= POSITIONAL:
                    raise JoiningError(f"{self._module}: too many arguments, one in the other")
                chosen[one.arg] = self._names.arguments[used]
            used += 1
        self._arguments[id(node)] = chosen

    def _rename_arguments(
        self, node: "ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda"
    ) -> None:
        chosen = self._arguments[id(node)]
        every = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        for one in [*every, node.args.vararg, node.args.kwarg]:
            if one is not None:
                one.arg = chosen[one.arg]
