"""Rules of shape, for every Python file or every text: lengths, docstrings, words left lying about.

Each rule takes the text of a file and yields (line, message).
"""

import ast
import re

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
LINE_CHARACTERS_MAX = 100
# Put together, so that this file does not break its own rule.
REMINDER = re.compile(
    r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b"
)


def file_length(text):
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield lines, f"{lines} lines, {FILE_LINES_MAX} at most: two ideas in one file?"


def line_length(text):
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LINE_CHARACTERS_MAX:
            yield number, f"{len(line)} characters, {LINE_CHARACTERS_MAX} at most"


def function_length(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield node.lineno, f"{node.name}: {lines} lines, {FUNCTION_LINES_MAX} at most"


def module_docstring(text):
    if not ast.get_docstring(ast.parse(text)):
        yield 1, "no docstring: what is it, what does it promise, what does it leave to others?"


def swallowed_errors(text):
    """Find a handler of everything that does nothing, and one that does not say what it handles."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            yield node.lineno, "bare except"
        elif names_everything(node.type) and all(does_nothing(line) for line in node.body):
            yield node.lineno, "an error of any kind is swallowed"


def names_everything(expression):
    return any(
        isinstance(node, ast.Name) and node.id in ("Exception", "BaseException")
        for node in ast.walk(expression)
    )


def does_nothing(statement):
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, (ast.Pass, ast.Continue))


def reminders(text):
    """Find notes to oneself: what is left to do is an issue, with a number."""
    for number, line in enumerate(text.splitlines(), 1):
        if REMINDER.search(line):
            yield number, line.strip()
