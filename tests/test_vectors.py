"""The committed vectors are what `tests/vectors/make.py` makes, byte for byte."""

import importlib.util
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "vectors"


def make():
    spec = importlib.util.spec_from_file_location("make_vectors", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_vectors_are_what_the_program_makes():
    made = make().files()
    assert sorted(made) == sorted(path.name for path in FOLDER.glob("*.json"))
    for name, text in made.items():
        assert (FOLDER / name).read_text() == text, (
            f"{name}: run tests/vectors/make.py, and see why"
        )
