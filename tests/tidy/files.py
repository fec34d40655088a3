"""Which files the tidy rules look at: those in git, and new ones that git does not ignore."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def project_files():
    """Return the path of every file of the project that is there, sorted."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = sorted(set(filter(None, result.stdout.split("\0"))))
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def python_files(*folders):
    """Return the project's Python files, all of them or those in some folders."""
    roots = [ROOT / folder for folder in folders] or [ROOT]
    return [
        path
        for path in project_files()
        if path.suffix == ".py" and any(root in path.parents for root in roots)
    ]


def read_text(path):
    """Return the text of a file, or None when it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def violations(rule, paths):
    """Apply a rule to files; return a line 'file:line: message' for everything it finds."""
    found = []
    for path in paths:
        text = read_text(path)
        if text is not None:
            name = path.relative_to(ROOT)
            found += [f"{name}:{line}: {message}" for line, message in rule(text)]
    return found
