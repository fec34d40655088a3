"""What `tidegate install` refuses, before it has changed anything."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fixtures.gateway import PATHS
from fixtures.images import AMD64, ARM64, NAME, elf, make_image, make_program, tidegate, tree
from tidegate_linux.durable import Owner, write_file, write_link
from tidegate_linux.install.layout import Layout

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make an image")


@pytest.fixture
def program(tmp_path):
    return make_program(tmp_path)


@pytest.fixture
def image(tmp_path):
    return make_image(tmp_path)


def expect_refusal(image, what, *arguments):
    before = tree(image)
    done = tidegate("install", *arguments, "--root", image)
    assert done.returncode == 1
    assert what in done.stderr
    assert tree(image) == before


@as_root
def test_a_program_for_another_machine_is_refused(tmp_path, image):
    other = elf(tmp_path / "tidegate-1.2.0-linux-glibc236-amd64", AMD64)
    expect_refusal(image, "is for amd64, and this is arm64", other)


@as_root
def test_a_name_that_contradicts_the_program_is_refused(tmp_path, image):
    expect_refusal(image, "is a program for amd64", elf(tmp_path / NAME, AMD64))


@as_root
@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(60)])
def test_what_is_no_program_of_ours_is_refused(tmp_path, image, content):
    path = tmp_path / NAME
    path.write_bytes(content)
    expect_refusal(image, "is no program for amd64 or arm64", path)


@as_root
def test_a_program_that_is_not_there_is_refused(tmp_path, image):
    expect_refusal(image, "is no program", tmp_path / "none")


@as_root
def test_an_unknown_name_for_another_machine_is_refused(tmp_path, image):
    expect_refusal(image, "cannot be asked here what it is", elf(tmp_path / "tidegate", ARM64))


@as_root
def test_a_program_of_somebody_else_is_refused(tmp_path, image):
    other = shutil.copy("/bin/true", tmp_path / "tidegate")
    expect_refusal(image, "is not tidegate", other)


@as_root
def test_source_cannot_install_itself(image):
    expect_refusal(image, "runs from source")


@as_root
def test_another_version_or_build_is_left_to_update(tmp_path, image, program):
    assert tidegate("install", program, "--root", image).returncode == 0
    newer = elf(tmp_path / NAME.replace("1.2.0", "1.3.0"), ARM64)
    expect_refusal(image, f"{NAME} is installed, and this is", newer)
    program.write_bytes(program.read_bytes() + b"!")
    expect_refusal(image, f"another build of {NAME} is installed", program)


@as_root
def test_beside_the_debian_package_nothing_is_installed(image, program):
    elf(Layout(image).package, ARM64)
    expect_refusal(image, "the Debian package of tidegate is installed", program)
    assert "the Debian package" in tidegate("uninstall", "--root", image).stderr


@as_root
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_program_of_that_name_that_is_not_ours_is_left_alone(image, program, kind):
    layout = Layout(image)
    assert tidegate("install", program, "--root", image).returncode == 0
    layout.command.unlink()
    if kind == "file":
        layout.command.write_text("mine")
    else:
        layout.command.symlink_to("/opt/tidegate-0.1.0/tidegate")
    before = modes_and_content(layout.command)
    expect_refusal(image, f"{layout.command} is there", program)
    done = tidegate("uninstall", "--root", image)
    assert f"{layout.command} stays, it is not ours" in done.stdout
    assert modes_and_content(layout.command) == before
    assert not layout.current.is_symlink()


def modes_and_content(path):
    return tree(path.parent)[path]


@as_root
def test_a_folder_without_a_place_for_a_file_says_which_step_failed(image, program):
    (image / "usr/local").write_text("no folder")
    done = tidegate("install", program, "--root", image)
    assert done.returncode == 1
    assert f"cannot make {Layout(image).home}: not a directory" in done.stderr


@as_root
@pytest.mark.parametrize(
    "link", ["var/lib", "var/lib/tidegate", "etc", "etc/passwd", "usr/local", "usr/local/lib"]
)
def test_links_of_an_image_never_lead_to_the_host(tmp_path, image, program, link):
    """Taken as they are, they would: the host's data went that way, with `uninstall --purge`."""
    host = tmp_path / "host"
    (host / "tidegate").mkdir(parents=True)
    (host / "tidegate" / "journal.db").write_text("acknowledged")
    (host / "passwd").write_text("")
    path = image / link
    if path.exists():
        path.rename(path.with_name("moved"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(
        {"etc/passwd": host / "passwd", "var/lib/tidegate": host / "tidegate"}.get(link, host)
    )
    before = tree(host)
    expect_refusal(image, f"leads out of {image}, to {host}", program)
    expect_refusal(image, f"leads out of {image}", program, "--dry-run")
    done = tidegate("uninstall", "--root", image, "--purge", "--yes")
    assert tree(host) == before
    if not link.startswith("etc/passwd"):
        assert f"leads out of {image}" in done.stderr


@as_root
def test_links_that_stay_in_an_image_are_followed(image, program):
    (image / "srv/lib").mkdir(parents=True)
    (image / "var").mkdir()
    (image / "var/lib").symlink_to("../srv/lib")
    assert tidegate("install", program, "--root", image).returncode == 0
    assert (image / "srv/lib/tidegate").is_dir()
    assert tidegate("uninstall", "--root", image, "--purge", "--yes").returncode == 0
    assert not (image / "srv/lib/tidegate").exists()


@as_root
def test_a_link_to_itself_is_refused(image, program):
    (image / "var").mkdir()
    (image / "var/lib").symlink_to("lib")
    expect_refusal(image, "is a link that leads to itself", program)


def test_a_root_that_is_not_there_is_refused(tmp_path):
    for command in ("install", "uninstall"):
        assert "is no folder" in tidegate(command, "--root", tmp_path / "none").stderr


@as_root
def test_only_root_installs_but_anybody_may_look():
    # Imported first: nobody may look into the folder of the Python that runs this.
    script = "import logging, os, tidegate_linux.install.install, tidegate_linux.cli as cli\n"
    script += "os.setgid(65534); os.setuid(65534); cli.main()"
    environment = {**os.environ, "PYTHONPATH": PATHS}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        image, program = make_image(Path(folder)), make_program(Path(folder))
        for extra, code, text in (
            ([], 1, "only root"),
            (["--dry-run"], 0, "would make"),
            (["--dry-run"], 1, f"cannot write {Layout(image).config}: permission denied"),
        ):
            if code and extra:
                tidegate("install", program, "--root", image)
            command = [sys.executable, "-c", script, "install", program, "--root", image, *extra]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == code, done.stderr
            assert text in done.stdout + done.stderr
            assert "Traceback" not in done.stderr


def test_a_file_is_replaced_whole_with_its_mode_and_owner(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with path.open() as old:
        owner = Owner(os.geteuid(), os.getegid())
        write_file(path, b"new", 0o640, owner)
        assert old.read() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_in_one_step(tmp_path):
    link = tmp_path / "current"
    for target in ("versions/a", "versions/b"):
        write_link(link, target)
        assert str(link.readlink()) == target
    assert list(tmp_path.iterdir()) == [link]
