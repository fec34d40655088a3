"""What the tests of the core share. Runs on CPython and MicroPython."""


class raises:  # noqa: N801 - a phrase where it is used: `with raises(ValueError) as caught`.
    """Expect that the block raises `kind`; what was raised is then in `error`.

    Another kind of error passes through unchanged, with its own traceback.
    """

    def __init__(self, kind):
        self.kind = kind
        self.error = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None:
            raise AssertionError(f"{self.kind.__name__} was not raised")
        if not issubclass(kind, self.kind):
            return False
        self.error = error
        return True
