"""Rules of the portable core: what a file in `core/` may import, write and call.

Each rule takes the text of a Python file and yields (line, message). The reasons are what
MicroPython 1.24 lacks, and the promise that the core does no input or output.
"""

import ast
import io
import tokenize

COLLECTIONS_ABC = "collections.abc"
MODULES_ALLOWED = {"binascii", "collections", "struct", "tidegate"}
# What MicroPython's `collections` has.
COLLECTIONS_ALLOWED = {"OrderedDict", "deque", "namedtuple"}
CALLS_FORBIDDEN = {
    *("breakpoint", "compile", "eval", "exec", "exit", "input", "open", "print", "quit"),
    "__import__",
}
MODULES_OF_THE_WORLD = {"asyncio", "os", "random", "socket", "sys", "threading", "time"}
ERRORS_MISSING = {
    *("BrokenPipeError", "ConnectionError", "ConnectionResetError", "ExceptionGroup"),
    *("FileNotFoundError", "InterruptedError", "PermissionError", "RecursionError"),
    *("TimeoutError", "UnicodeDecodeError", "UnicodeEncodeError"),
}
ATTRIBUTES_MISSING = {
    *("_asdict", "_replace", "add_note", "bit_count", "bit_length", "casefold", "isalnum"),
    *("isidentifier", "ljust", "move_to_end", "removeprefix", "removesuffix", "rjust"),
    *("tobytes", "translate", "with_traceback", "zfill"),
}
DECORATORS_ALLOWED = {"classmethod", "property", "staticmethod"}
ARGUMENTS_MISSING = {("namedtuple", "defaults"), ("zip", "strict")}


def runtime_nodes(tree):
    """Yield every node that runs: all but the bodies of `if TYPE_CHECKING:`, and annotations."""
    if isinstance(tree, ast.If) and is_type_checking(tree.test):
        for node in tree.orelse:
            yield from runtime_nodes(node)
        return
    yield tree
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from runtime_nodes(child)


def is_type_checking(test):
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def imports(text):
    """Only the allowed modules; anything under TYPE_CHECKING."""
    for node in runtime_nodes(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] not in MODULES_ALLOWED or alias.name == COLLECTIONS_ABC:
                    yield node.lineno, f"core imports {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = {alias.name for alias in node.names}
            if node.level:
                yield node.lineno, "relative import: write the full name"
            elif module == COLLECTIONS_ABC or module.split(".")[0] not in MODULES_ALLOWED:
                yield node.lineno, f"core imports {module}"
            elif module == "collections" and not names <= COLLECTIONS_ALLOWED:
                yield node.lineno, f"MicroPython's collections lacks {names - COLLECTIONS_ALLOWED}"


def syntax(text):
    """No form that MicroPython 1.24 lacks or takes differently."""
    for node in runtime_nodes(ast.parse(text)):
        for message in syntax_faults(node):
            yield node.lineno, message
    yield from with_parentheses(text)
    yield from implicit_concatenation(text)


def syntax_faults(node):
    """Yield what is wrong with one node."""
    starred = [item for item in getattr(node, "elts", []) if isinstance(item, ast.Starred)]
    if isinstance(node, ast.Match):
        yield "match: write if and elif"
    if type(node).__name__ in ("TryStar", "TypeAlias"):
        yield f"{type(node).__name__} is newer than MicroPython's syntax"
    if starred and isinstance(node.ctx if hasattr(node, "ctx") else ast.Load(), ast.Load):
        yield "starred display: write a + [b]"
    if isinstance(node, ast.Dict) and None in node.keys:
        yield "** in a dict display: write dict(a), then update"
    if isinstance(node, (ast.FunctionDef, ast.Lambda)) and node.args.posonlyargs:
        yield "positional-only /"
    if isinstance(node, ast.Raise) and node.cause is not None:
        yield "raise … from: put the cause into the message"
    if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)):
        yield "the core has no async"
    if isinstance(node, ast.Delete) and any(slices(target) for target in node.targets):
        yield "del of a slice: write x[:n] = b''"
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        yield from decorator_faults(node)
    if isinstance(node, ast.ClassDef) and (len(node.bases) > 1 or node.keywords):
        yield f"class {node.name}: one base, no metaclass"


def slices(target):
    return isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice)


def decorator_faults(node):
    for decorator in node.decorator_list:
        name = ast.unparse(decorator)
        if name not in DECORATORS_ALLOWED:
            yield f"decorator @{name}"


def significant_tokens(text):
    skipped = (tokenize.NL, tokenize.COMMENT)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token for token in tokens if token.type not in skipped]


def with_parentheses(text):
    """Find `with (…):`, which the syntax tree does not tell from `with …:`."""
    tokens = significant_tokens(text)
    for index, token in enumerate(tokens[:-1]):
        if token.string != "with" or tokens[index + 1].string != "(":
            continue
        depth = 0
        for position in range(index + 1, len(tokens)):
            depth += {"(": 1, ")": -1}.get(tokens[position].string, 0)
            if depth == 0:
                break
        if tokens[position + 1].string == ":":
            yield token.start[0], "parenthesised with"


def implicit_concatenation(text):
    """Find two strings side by side; an f-string among them is wrong on some versions."""
    tokens = significant_tokens(text)
    names = [tokenize.tok_name[token.type] for token in tokens]
    for index in range(1, len(tokens)):
        before, after = names[index - 1], names[index]
        if before in ("STRING", "FSTRING_END") and after in ("STRING", "FSTRING_START"):
            yield tokens[index].start[0], "implicit concatenation of strings: write one, or +"


def calls(text):
    """No input or output, no clock, no chance; no name that MicroPython lacks."""
    for node in runtime_nodes(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name in CALLS_FORBIDDEN:
                yield node.lineno, f"core calls {name}()"
            for keyword in node.keywords:
                if (name, keyword.arg) in ARGUMENTS_MISSING:
                    yield node.lineno, f"MicroPython's {name} lacks {keyword.arg}="
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in MODULES_OF_THE_WORLD:
                yield node.lineno, f"core uses {node.value.id}.{node.attr}"
            if node.attr in ATTRIBUTES_MISSING:
                yield node.lineno, f"MicroPython lacks .{node.attr}"
        elif isinstance(node, ast.Name) and node.id in ERRORS_MISSING:
            yield node.lineno, f"MicroPython lacks {node.id}: OSError or ValueError"


def integers(text):
    """Whoever asks for an int says what becomes of a bool: the two Pythons disagree about it."""
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        asks_for_bool = any(is_bool_test(node) for node in ast.walk(function))
        for node in ast.walk(function):
            if is_int_test(node) and not asks_for_bool:
                yield node.lineno, "isinstance(…, int) without `is True` before it"


def is_int_test(node):
    if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"):
        return False
    return any(isinstance(part, ast.Name) and part.id == "int" for part in ast.walk(node.args[1]))


def is_bool_test(node):
    return isinstance(node, ast.Compare) and any(
        isinstance(operator, (ast.Is, ast.IsNot))
        and isinstance(value, ast.Constant)
        and value.value is True
        for operator, value in zip(node.ops, node.comparators, strict=True)
    )
