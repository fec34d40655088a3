"""build/deb.py, on a stand-in for the folder form: one program of this machine's, and its facts.

The real package is installed in clean roots by tests/process/test_deb_root.py.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from tidegate.version import VERSION

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="there is no dpkg-deb")


def archive(folder, library="libc.so.6", architecture="amd64"):
    """Pack what looks like the folder form, with a program that needs one library."""
    top = folder / f"tidegate-{VERSION}"
    facts = top / "_internal/tidegate_linux/build_info.json"
    facts.parent.mkdir(parents=True)
    facts.write_text(json.dumps({"glibc_floor": "2.31"}))
    program = shutil.copy("/bin/true", top / "tidegate")
    data = program.read_bytes()
    assert b"libc.so.6\0" in data
    # A name of the same length, in the program's own table of names.
    assert len(library) == len("libc.so.6")
    program.write_bytes(data.replace(b"libc.so.6\0", library.encode() + b"\0"))
    (top / "LICENSE").write_text("License")
    (top / "_internal/libown.so.1").symlink_to("tidegate_linux")
    path = folder / f"tidegate-{VERSION}-linux-glibc231-{architecture}.tar.gz"
    with tarfile.open(path, "w:gz") as members:
        members.add(top, top.name)
    shutil.rmtree(top)
    return path


def deb(*arguments, code=0):
    command = [sys.executable, ROOT / "build" / "deb.py", "--compress", "gzip", *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def make(folder, *arguments, **options):
    folder.mkdir(exist_ok=True)
    deb("--archive", archive(folder, **options), "--out", folder, *arguments)
    (made,) = folder.glob("*.deb")
    return made


def field(package, name):
    command = ["dpkg-deb", "-f", package, name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def unpack(package, folder):
    subprocess.run(["dpkg-deb", "-R", package, folder], check=True)
    return folder


def listing(package):
    """Return mode and owner of everything in a package."""
    command = ["dpkg-deb", "-c", package]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    fields = [line.split() for line in done.stdout.splitlines()]
    return {each[5].removeprefix("."): (each[0], each[1]) for each in fields}


def test_two_builds_in_two_places_are_the_same_bytes(tmp_path):
    first, second = (make(tmp_path / name) for name in ("one", "another"))
    assert first.read_bytes() == second.read_bytes()


def test_the_package_says_what_it_is_and_needs(tmp_path):
    package = make(tmp_path)
    assert package.name == f"tidegate_{VERSION}-1_amd64.deb"
    assert field(package, "Depends") == "libc6 (>= 2.31), passwd"
    assert field(package, "Architecture") == "amd64"
    size_kib = int(field(package, "Installed-Size"))
    root = unpack(package, tmp_path / "root")
    shutil.rmtree(root / "DEBIAN")
    used = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024
    assert used <= size_kib <= used + len(list(root.rglob("*"))) * 2


def test_a_package_for_another_architecture_is_made_here(tmp_path):
    package = make(tmp_path, architecture="arm64")
    assert field(package, "Architecture") == "arm64"


def test_a_candidate_comes_before_its_release(tmp_path):
    version = field(make(tmp_path, "--version", "1.2.0-rc.1"), "Version")
    assert version == "1.2.0~rc.1-1"
    subprocess.run(["dpkg", "--compare-versions", version, "lt", "1.2.0-1"], check=True)


def test_a_library_of_the_machine_becomes_a_dependency(tmp_path):
    package = make(tmp_path, library="libz.so.1")
    assert field(package, "Depends") == "libc6 (>= 2.31), passwd, zlib1g"


def test_a_library_that_nobody_brings_fails_the_build(tmp_path):
    path = archive(tmp_path, library="libx.so.1")
    done = deb("--archive", path, "--out", tmp_path, code=1)
    assert "no package is known that brings libx.so.1" in done.stderr
    assert not list(tmp_path.glob("*.deb"))


def test_without_a_folder_form_it_says_how_to_have_one(tmp_path):
    assert "make binary first" in deb("--out", tmp_path, "--arch", "arm64", code=1).stderr


def test_everything_belongs_to_root_and_only_programs_can_run(tmp_path):
    files = listing(make(tmp_path))
    assert {owner for _, owner in files.values()} == {"root/root"}
    programs = {name for name, (mode, _) in files.items() if mode == "-rwxr-xr-x"}
    assert programs == {"/usr/lib/tidegate/tidegate"}
    folders = {mode for mode, _ in files.values() if mode.startswith("d")}
    assert folders == {"drwxr-xr-x"}


def test_the_files_are_where_debian_looks_for_them(tmp_path):
    root = unpack(make(tmp_path), tmp_path / "root")
    assert (root / "DEBIAN/conffiles").read_text() == "/etc/tidegate/gateway.toml\n"
    assert (root / "usr/bin/tidegate").resolve() == root / "usr/lib/tidegate/tidegate"
    for name in ("tidegate.service", "tidegate-hub.service"):
        unit = (root / "usr/lib/systemd/system" / name).read_text()
        assert "ExecStart=/usr/bin/tidegate " in unit
    share = root / "usr/share"
    assert (
        ".TH TIDEGATE 1"
        in gzip.decompress((share / "man/man1/tidegate.1.gz").read_bytes()).decode()
    )
    assert (share / "zsh/vendor-completions/_tidegate").exists()
    assert (share / "bash-completion/completions/tidegate").exists()
    documents = share / "doc/tidegate"
    changes = (ROOT / "CHANGELOG.md").read_bytes()
    assert gzip.decompress((documents / "changelog.gz").read_bytes()) == changes
    for sample in ("gateway.toml", "hub.toml"):
        ours = ROOT / "packaging/config" / sample
        assert (documents / "examples" / sample).read_bytes() == ours.read_bytes()


@pytest.mark.parametrize("script", ["preinst", "postinst", "prerm", "postrm"])
def test_the_scripts_are_for_any_shell(script):
    path = ROOT / "packaging" / "deb" / script
    for shell in ("dash", "bash"):
        subprocess.run([shell, "-n", path], check=True)
    assert path.read_text().startswith("#!/bin/sh\n")
    assert "\nset -e\n" in path.read_text()


def test_every_library_that_is_bundled_is_named_with_its_license():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["deploy"] + extras["pi"]
    copyright_text = (ROOT / "packaging/deb/copyright").read_text().lower()
    for requirement in wanted:
        assert re.match(r"[\w-]+", requirement)[0].lower() in copyright_text
