"""Find out which names of a program are its own, and who else may know them.  For `shortening`."""

import ast
import builtins
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from foreign_names import FOREIGN
from renaming import JoiningError, arguments_of
from scopes import CLASS, FUNCTION, MODULE, Scope, ScopeVisitor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BY_TEXT = {"getattr", "setattr", "hasattr", "delattr"}
BUILT_IN = set(dir(builtins))


class Interface(NamedTuple):
    """What keeps its name: "module.name" or "module.*", and for a module what its texts name."""

    public: "set[str]"
    by_text: "dict[str, set[str]]"


class Survey:
    """What there is in the program."""

    def __init__(self, trees: "dict[str, ast.Module]", interface: Interface) -> None:
        self.modules = set(trees)
        self.interface = interface
        self.tops: Counter[str] = Counter()  # Names of the tops of modules, by use.
        self.attributes: Counter[str] = Counter()
        self.defined: set[str] = set()  # Attributes that are ours.
        self.keywords: set[str] = set()
        self.locals: set[str] = set()
        # Attributes that are always those of `self`, by (module, class): no two of these classes
        # have to agree on their names.
        self.own: dict[tuple[str, str], Counter[str]] = {}
        self.shared: set[str] = set()  # Attributes that are not always so.
        self.related: set[str] = set()  # Classes that have others above or below them.
        self.kept_tops = set(BUILT_IN)
        self.kept_attributes = set(FOREIGN)
        for module, tree in trees.items():
            self.kept_attributes |= interface.by_text.get(module, set())
            self.kept_tops |= interface.by_text.get(module, set())
            _Surveyor(module, tree, self).visit(tree)
        self._keep_exceptions(trees)
        self.kept_tops |= {name for name in self.tops if name.startswith("__")}
        self.kept_attributes |= {name for name in self.attributes if name.startswith("__")}

        for (_, name), counts in self.own.items():
            if name in self.related:
                self.shared |= set(counts)
        self.shared |= self.kept_attributes

    def own_names(self, owner: "tuple[str, str]") -> "list[str]":
        """Return the attributes that only a class itself knows, the most frequent first."""
        return [name for name in ranked(self.own.get(owner, {})) if name not in self.shared]

    def _keep_exceptions(self, trees: "dict[str, ast.Module]") -> None:
        """Keep the names of exceptions: they are read by people, and in logs."""
        found = {name for name in BUILT_IN if name.endswith(("Error", "Exception"))}
        before = 0
        while len(found) > before:
            before = len(found)
            for tree in trees.values():
                for node in ast.walk(tree):
                    if isinstance(node, ast.ClassDef):
                        bases = {ast.unparse(base) for base in node.bases}
                        found |= {node.name} if bases & found else set()
        self.kept_tops |= found

    def is_public(self, module: str, name: str) -> bool:
        """Tell whether what stands at the top of a module is for others."""
        every = f"{module}.*" in self.interface.public and not name.startswith("_")
        return every or f"{module}.{name}" in self.interface.public


class _Surveyor(ScopeVisitor):
    def __init__(self, module: str, tree: ast.Module, survey: Survey) -> None:
        super().__init__(tree)
        self._module = module
        self._survey = survey
        self._whole: set[str] = set()  # Names that stand for a module of ours.
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node)
        for name in self.scopes[0].bound:
            if survey.is_public(module, name):
                survey.kept_tops.add(name)

    def _import(self, node: "ast.Import | ast.ImportFrom") -> None:
        survey = self._survey
        source = getattr(node, "module", None)
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            whole = alias.name if isinstance(node, ast.Import) else f"{source}.{alias.name}"
            if whole in survey.modules:
                self._whole.add(bound)
                survey.kept_tops |= {bound, alias.name}
            elif source not in survey.modules:
                survey.kept_tops |= {bound, alias.name}

    def _is_kept_here(self) -> bool:
        """Tell whether all around the place is public."""
        around = [getattr(scope.node, "name", "") for scope in self.scopes[1:]]
        if not around:
            return False
        is_top = self._survey.is_public(self._module, around[0])
        return is_top and not any(name.startswith("_") and name[:2] != "__" for name in around)

    def visit_Name(self, node: ast.Name) -> None:
        """Count a name."""
        owner = self.owner(node.id)
        if owner.kind == MODULE:
            self._survey.tops[node.id] += 1
        elif owner.kind == CLASS:
            self._attribute(node.id, not isinstance(node.ctx, ast.Load), self.class_here())
        else:
            self._survey.locals.add(node.id)

    def _attribute(self, name: str, is_ours: bool, owner: "ast.ClassDef | None" = None) -> None:
        survey = self._survey
        survey.attributes[name] += 1
        if owner is not None:
            survey.own.setdefault((self._module, owner.name), Counter())[name] += 1
        else:
            survey.shared.add(name)
        if is_ours:
            survey.defined.add(name)
            if self._is_kept_here() and not name.startswith("_"):
                survey.kept_attributes.add(name)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Count an attribute."""
        value = node.value
        if isinstance(value, ast.Name) and value.id in self._whole:
            self._survey.kept_tops.add(node.attr)
            self._survey.kept_attributes.add(node.attr)
        self._attribute(node.attr, not isinstance(node.ctx, ast.Load), self.class_of(value))
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Count what is imported from ours."""
        for alias in node.names:
            if len(self.scopes) > 1:
                self._survey.locals.add(alias.asname or alias.name)
            self._survey.tops[alias.name] += 1

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """Take note of the name of an error."""
        if node.name and len(self.scopes) > 1:
            self._survey.locals.add(node.name)
        elif node.name:
            self._survey.kept_tops.add(node.name)
        self.generic_visit(node)

    def _function(self, node: "ast.FunctionDef | ast.AsyncFunctionDef") -> None:
        self._define(node.name)
        is_inner = any(scope.kind == FUNCTION for scope in self.scopes)
        self.scopes.append(Scope(FUNCTION, set(), node))
        if self._is_kept_here() and not is_inner:
            self._survey.kept_attributes |= arguments_of(node.args)
        self.scopes.pop()
        super()._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Count a class."""
        self._define(node.name)
        for base in node.bases:
            if isinstance(base, (ast.Name, ast.Attribute)):
                self._survey.related |= {node.name, ast.unparse(base)}
        super().visit_ClassDef(node)

    def _define(self, name: str) -> None:
        kind = self.scopes[-1].kind
        if kind == MODULE:
            self._survey.tops[name] += 2
        elif kind == CLASS:
            self._attribute(name, True, self.class_here())
        else:
            self._survey.locals.add(name)

    def visit_Call(self, node: ast.Call) -> None:
        """Look at what a call names: fields of a record, texts, arguments."""
        survey, function = self._survey, node.func
        for name in field_names(node):
            self._attribute(text_of(name), is_ours=True)
        if isinstance(function, ast.Name) and function.id in BY_TEXT:
            looked_up = node.args[1]
            if isinstance(looked_up, ast.Constant):
                survey.kept_attributes.add(text_of(looked_up))
                survey.kept_tops.add(text_of(looked_up))
            elif self._module not in survey.interface.by_text:
                raise JoiningError(f"{self._module}: {ast.unparse(node)} looks up any name")
        is_foreign = (
            function.attr in FOREIGN
            if isinstance(function, ast.Attribute)
            else isinstance(function, ast.Name) and self._is_foreign(function.id)
        )
        named = {one.arg for one in node.keywords if one.arg}
        survey.keywords |= named
        if is_foreign:
            survey.kept_attributes |= named
        self.generic_visit(node)

    def _is_foreign(self, name: str) -> bool:
        return self.owner(name).kind == MODULE and (
            name in BUILT_IN or name not in self.scopes[0].bound or name in FOREIGN
        )


def ranked(counts: "Mapping[str, int]") -> "list[str]":
    """Return names, the most frequent first."""
    return sorted(counts, key=lambda name: (-counts[name], name))


def text_of(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value


def field_names(node: ast.Call) -> "Iterator[ast.Constant]":
    """Yield the texts that name the fields of a `namedtuple`."""
    if isinstance(node.func, ast.Name) and node.func.id == "namedtuple":
        fields = node.args[1]
        if not isinstance(fields, (ast.Tuple, ast.List)):
            raise JoiningError(f"{ast.unparse(node)}: write the fields as a tuple")
        for one in fields.elts:
            assert isinstance(one, ast.Constant)
            yield one
