"""Walk a module and know of every name which scope it belongs to, by the rules of Python.

A function with its arguments is a scope, a lambda and a comprehension too; a class is one, but not
for the functions in it.
"""

import ast
from typing import NamedTuple

from renaming import arguments_of, bound_in

MODULE, CLASS, FUNCTION = "module", "class", "function"


class Scope(NamedTuple):
    """One scope: its kind, what it binds, and the node that opens it."""

    kind: str
    bound: "set[str]"
    node: ast.AST


class ScopeVisitor(ast.NodeVisitor):
    """Visits what is in a module; `scopes` are those around the node, the innermost last."""

    def __init__(self, tree: ast.Module) -> None:
        self.scopes = [Scope(MODULE, bound_in(tree.body), tree)]

    def owner(self, name: str) -> Scope:
        """Return the scope that a name belongs to where the visitor is."""
        innermost = len(self.scopes) - 1
        for at in range(innermost, 0, -1):
            scope = self.scopes[at]
            if name in scope.bound and (scope.kind != CLASS or at == innermost):
                return scope
        return self.scopes[0]

    def class_of(self, node: ast.expr) -> "ast.ClassDef | None":
        """Return the class of what is called `self` here, if it is one at the top of the module."""
        if not isinstance(node, ast.Name):
            return None
        owner = self.owner(node.id)
        at = self.scopes.index(owner)
        method, around = owner.node, self.scopes[at - 1].node
        if (
            at == 2
            and isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef))
            and isinstance(around, ast.ClassDef)
            and [one.arg for one in method.args.args[:1]] == [node.id]
            and "staticmethod" not in [ast.unparse(one) for one in method.decorator_list]
        ):
            return around
        return None

    def class_here(self) -> "ast.ClassDef | None":
        """Return the class at the top of the module in whose body the place is."""
        node = self.scopes[-1].node
        return node if len(self.scopes) == 2 and isinstance(node, ast.ClassDef) else None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Visit a function."""
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Visit a function."""
        self._function(node)

    def _function(self, node: "ast.FunctionDef | ast.AsyncFunctionDef") -> None:
        self._outside(node.decorator_list, node.args)
        bound = bound_in(node.body) | arguments_of(node.args)
        for one in node.body:
            for inner in ast.walk(one):
                if isinstance(inner, ast.Global):
                    bound -= set(inner.names)
        self._inside(Scope(FUNCTION, bound, node), node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Visit a lambda."""
        self._outside([], node.args)
        self._inside(Scope(FUNCTION, arguments_of(node.args), node), [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Visit a class."""
        for one in node.decorator_list + node.bases:
            self.visit(one)
        self._inside(Scope(CLASS, bound_in(node.body), node), node.body)

    def _comprehension(self, node: ast.AST) -> None:
        targets = [one.target for one in getattr(node, "generators", [])]
        self._inside(Scope(FUNCTION, bound_in(targets), node), list(ast.iter_child_nodes(node)))

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _outside(self, decorators: "list[ast.expr]", arguments: ast.arguments) -> None:
        """Visit what of a function is worked out where it stands."""
        for one in decorators + arguments.defaults + arguments.kw_defaults:
            if one is not None:
                self.visit(one)

    def _inside(
        self, scope: Scope, body: "list[ast.AST] | list[ast.stmt] | list[ast.expr]"
    ) -> None:
        self.scopes.append(scope)
        for one in body:
            self.visit(one)
        self.scopes.pop()
