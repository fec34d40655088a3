"""What build/micropython.py makes: the node's modules and no others, the same bytes anywhere."""

import ast
import hashlib
import http.server
import json
import subprocess
import sys
import threading
import zipfile
from functools import partial

import pytest

from fixtures.node_bundle import ROOT, builder, small_tree
from fixtures.serial_board import SerialBoard
from test_micropython import program
from tidegate.version import VERSION

BUILD = builder()


def make_tree(folder, files):
    """Make a checkout of a few files, with what every one has."""
    files = {
        "core/tidegate/__init__.py": "",
        "core/tidegate/version.py": f'VERSION = "{VERSION}"\n',
        "packaging/micropython/manifest.py": '"""Freeze."""\n',
        **files,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The bundle of this checkout."""
    program("mpy-cross")
    out = tmp_path_factory.mktemp("bundle") / "out"
    return out, BUILD.build(ROOT, out)


def names_below(folder):
    return [path.relative_to(folder).as_posix() for path in BUILD.files_below(folder)]


def test_the_imports_decide_what_a_node_gets(tmp_path):
    files = {
        "platforms/tidegate_micropython/__init__.py": "def f():\n import tidegate.a.deep\n",
        "platforms/tidegate_micropython/other.py": "from tidegate import b\nimport json, ntptime\n",
        "core/tidegate/a/__init__.py": "",
        "core/tidegate/a/deep.py": "from tidegate.c import name\n",
        "core/tidegate/a/unused.py": "",
        "core/tidegate/b.py": (
            "TYPE_CHECKING = False\nif TYPE_CHECKING:\n from tidegate.types import T\n"
        ),
        "core/tidegate/c.py": "name = 1\nclass C:\n __slots__ = ()\n",
        "core/tidegate/types.py": "",
    }
    modules = BUILD.modules_of(make_tree(tmp_path, files))
    assert list(modules.files) == [
        "tidegate/__init__.py",
        "tidegate/a/__init__.py",
        "tidegate/a/deep.py",
        "tidegate/b.py",
        "tidegate/c.py",
        "tidegate_micropython/__init__.py",
        "tidegate_micropython/other.py",
    ]
    assert modules.packages == ["ntptime"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import functools\n", "imports functools, which no board has"),
        ("from . import x\n", "a relative import"),
    ],
)
def test_an_import_that_no_board_can_do_is_refused(tmp_path, text, message):
    tree = make_tree(tmp_path, {"platforms/tidegate_micropython/__init__.py": text})
    with pytest.raises(BUILD.BuildError, match=message):
        BUILD.modules_of(tree)


def test_what_only_others_read_leaves_and_every_line_keeps_its_number():
    text = (
        "TYPE_CHECKING = False\n"
        "if TYPE_CHECKING:\n"
        "    from a import (\n"
        "        B,\n"
        "    )\n"
        "class C:\n"
        "    __slots__ = ()\n"
        "def f():\n"
        "    return 1\n"
    )
    left = BUILD.compacting.without_types(text)
    assert left == "\n\n\n\n\nclass C:\n    0\ndef f():\n    return 1\n"
    assert BUILD.compacting.without_types(left) == left
    kept = "if TYPE_CHECKING:\n    a = 1\nelse:\n    a = 2\n"
    assert BUILD.compacting.without_types(kept) == kept


def test_a_record_that_adds_only_types_is_its_tuple():
    head = 'class A(\n    namedtuple("A", ("b",))\n):\n    """Text."""\n\n'
    head += "    __slots__ = ()\n    b: int\n"
    left = BUILD.compacting.without_types(head + "c = A(1)\n")
    assert left.split() == 'A = namedtuple("A", ("b",)) c = A(1)'.replace('"', "'").split()
    assert left.count("\n") == head.count("\n") + 1
    method = "\n    def __str__(self):\n        return self.b\n"
    for kept in (head + method, head + "    c = 1\n", head.replace("namedtuple", "record")):
        assert BUILD.compacting.without_types(kept).startswith("class A(\n"), kept


def test_equal_sources_give_equal_bytes_wherever_they_lie(tmp_path):
    sums = []
    for name in ("one", "another/further/down"):
        tree = small_tree(tmp_path / name)
        BUILD.build(tree, tree / "dist")
        sums.append((tree / "dist" / "SHA256SUMS").read_text())
    assert sums[0] == sums[1]
    for line in sums[0].splitlines():
        digest, name = line.split("  ")
        content = (tmp_path / "one" / "dist" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
    listed = [line.split("  ")[1] for line in sums[0].splitlines()]
    assert sorted([*listed, "SHA256SUMS"]) == names_below(tmp_path / "one" / "dist")


def test_a_node_that_outgrew_its_bounds_is_refused():
    link = "tidegate_micropython/http_link.mpy"
    modules = {"a.mpy": BUILD.RUNNING_BYTES_MAX, link: 1}
    BUILD.check_size(BUILD.Sizes(modules, {}, 6))
    modules["b.mpy"] = 1
    with pytest.raises(BUILD.BuildError, match=r"a running node has loaded.* 1 too many"):
        BUILD.check_size(BUILD.Sizes(modules, {}, 6))
    modules = {link: BUILD.NODE_BYTES_MAX + 2}
    with pytest.raises(BUILD.BuildError, match=r"core and platform.* 2 too many"):
        BUILD.check_size(BUILD.Sizes(modules, {}, 6))


def test_all_forms_of_the_bundle_hold_the_same_modules(real):
    out, sizes = real
    modules = names_below(out / "lib")
    assert "tidegate/errors.mpy" in modules
    assert "tidegate/engine.mpy" not in modules  # Joined with what loads it.
    assert "tidegate_micropython/__init__.mpy" in modules
    described = json.loads((out / "package.json").read_text())
    assert described["version"] == VERSION
    assert described["urls"] == [[name, f"lib/{name}"] for name in modules]
    with zipfile.ZipFile(out / f"tidegate-{VERSION}-mpy.zip") as archive:
        assert archive.namelist() == modules
        assert all(archive.read(name) == (out / "lib" / name).read_bytes() for name in modules)
    assert names_below(out / "src") == [name.removesuffix(".mpy") + ".py" for name in modules]
    assert sizes.bytecode == 6


def test_the_manifest_freezes_what_is_there(real):
    out, _ = real
    tree = ast.parse((out / "manifest.py").read_text())
    asked = []
    for statement in tree.body[1:]:
        call = statement.value
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        asked.append((call.func.id, [ast.literal_eval(one) for one in call.args], named))
    assert asked[0] == ("metadata", [], {"version": VERSION})
    described = json.loads((out / "package.json").read_text())
    assert [args for name, args, _ in asked if name == "require"] == [
        [name] for name, _ in described["deps"]
    ]
    packages = [(args[0], named) for name, args, named in asked if name == "package"]
    assert [name for name, _ in packages] == ["tidegate", "tidegate_micropython"]
    for name, named in packages:
        assert (out / named["base_path"] / name / "__init__.py").is_file()


def run_micropython(*arguments, cwd=None):
    return subprocess.run(
        [program("micropython"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
    )


PUT = """
import sys
import tidegate_micropython
assert tidegate_micropython.__file__.endswith(".mpy"), tidegate_micropython.__file__
node = tidegate_micropython.start({"journal": {"folder": "log"}})
node.put("a/topic", 21.5)
held = node.status()["streams"][0]["held"]
node.close()
print("held", held)
"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        """Say nothing of requests."""


@pytest.fixture
def served(real, tmp_path):
    """Serve the bundle; return its package's address, and that of an index for mip."""
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "node").symlink_to(real[0])
    for name in ("umqtt.simple", "ntptime"):
        # A package that is empty, so that no registry is asked.
        index = folder / "pi" / "package" / "6" / name
        index.mkdir(parents=True)
        (index / "latest.json").write_text('{"v": 1, "hashes": [], "version": "1"}')
    handler = partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        yield f"{base}/node/package.json", f"{base}/pi"
        server.shutdown()


def contents_below(folder):
    return {name: (folder / name).read_bytes() for name in names_below(folder)}


def test_mip_installs_it_from_any_address_and_it_runs(real, served, tmp_path):
    package, index = served
    target = tmp_path / "lib"
    done = run_micropython("-m", "mip", "install", "--target", target, "--index", index, package)
    assert done.returncode == 0, done.stdout + done.stderr
    assert contents_below(target) == contents_below(real[0] / "lib")
    ran = run_micropython(
        "-c", f"import sys; sys.path.insert(0, {str(target)!r})\n{PUT}", cwd=tmp_path
    )
    assert ran.stdout.endswith("held 1\n"), ran.stdout + ran.stderr


def test_mpremote_installs_it_on_a_board(real, served, tmp_path):
    package, index = served
    with SerialBoard(program("micropython"), tmp_path) as board:
        command = [program("mpremote"), "connect", board.port, "mip", "install"]
        done = subprocess.run(
            [*command, "--target", "/lib", "--index", index, package],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = contents_below(real[0] / "lib")
    assert board.files() == {f"/lib/{name}": data for name, data in wanted.items()}


def test_the_image_mounts_as_romfs_and_runs(real, tmp_path):
    out, _ = real
    image = out / f"tidegate-{VERSION}.romfs"
    mount = (
        "import sys, vfs\n"
        f"rom = vfs.VfsRom(open({str(image)!r}, 'rb').read())\n"
        "vfs.mount(rom, '/rom')\nsys.path.insert(0, '/rom/lib')\n"
    )
    ran = run_micropython("-X", "heapsize=4m", "-c", mount + PUT, cwd=tmp_path)
    assert ran.stdout.endswith("held 1\n"), ran.stdout + ran.stderr


def test_core_and_platform_fit_a_board(real):
    _, sizes = real
    BUILD.check_size(sizes)


def test_the_command_prints_sizes_and_fails_for_what_it_cannot_build(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "build" / "micropython.py", "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
    )
    assert "core and platform" in done.stdout, done.stderr
    assert "loaded by: MicroPython 1.19 and later" in done.stdout
