"""Run tests of the core on MicroPython: `micropython tests/core/run_micropython.py FILE…`.

Calls every function `test_*` of the files, prints PASS or FAIL for each, then 'N passed, N failed',
and exits with 1 when something failed or nothing ran. MicroPython has no pytest; CPython runs this
file as well. The files must lie beside this one.
"""

import sys


def main(arguments):
    """Run the tests in the named files; return the exit code."""
    passed, failed = 0, 0
    for path in arguments:
        name = path.rsplit("/", 1)[-1][: -len(".py")]
        try:
            tests = functions_of(__import__(name))
        except BaseException as error:  # A module that does not load is one failed test.
            tests = [(f"{name} (import)", again(error))]
        for test_name, test in tests:
            if runs(test_name, test):
                passed += 1
            else:
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


def functions_of(module):
    """Return (name, function) of every test, sorted: MicroPython's own order is by hash."""
    names = sorted(name for name in dir(module) if name.startswith("test_"))
    return [(f"{module.__name__}.{name}", getattr(module, name)) for name in names]


def again(error):
    """Return a test that raises the error."""

    def fail():
        raise error

    return fail


def runs(name, test):
    """Run one test and print what became of it."""
    try:
        test()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # Also SystemExit: a test that ends the program has failed.
        print(f"FAIL {name}")
        print_traceback(error)
        return False
    print(f"PASS {name}")
    return True


def print_traceback(error):
    """Print where the error came from, on either Python."""
    if sys.implementation.name == "micropython":
        sys.print_exception(error, sys.stdout)
        return
    import traceback

    traceback.print_exception(error, file=sys.stdout)


if __name__ == "__main__":
    folder = sys.argv[0].rsplit("/", 1)[0] if "/" in sys.argv[0] else "."
    sys.path.insert(0, folder)
    sys.path.insert(0, f"{folder}/../../core")
    sys.exit(main(sys.argv[1:]))
