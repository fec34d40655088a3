"""What build/initramfs.py writes: an archive that the kernel reads, the same bytes every time."""

import gzip
import lzma
import stat
import subprocess
import sys

import pytest

from fixtures.gateway import ROOT

sys.path.insert(0, str(ROOT / "build"))
try:
    from initramfs import Initramfs, module_content, modules_in_order
finally:
    sys.path.remove(str(ROOT / "build"))


def entries(archive):
    """Return name -> (mode, content, device) in the order of the archive, read by its format."""
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        _, mode, uid, gid, _, mtime, size, _, _, major, minor, name_bytes, _ = fields
        assert (uid, gid, mtime) == (0, 0, 0)
        name = archive[at + 110 : at + 110 + name_bytes - 1].decode()
        begin = (at + 110 + name_bytes + 3) // 4 * 4
        at = (begin + size + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert len(archive) % 512 == 0
            return found
        found[name] = (mode, archive[begin : begin + size], (major, minor))


def written(tree, path):
    tree.write(path)
    return path.read_bytes()


def test_all_kinds_are_there_and_folders_before_what_they_hold(tmp_path):
    (tmp_path / "program").write_bytes(b"\x7fELF")
    (tmp_path / "program").chmod(0o700)
    tree = Initramfs()
    tree.copy(tmp_path / "program", "/usr/bin/program")
    tree.file("/etc/name", b"odd")
    tree.link("/bin", "usr/bin")
    tree.folder("/data", 0o700)
    tree.node("/dev/console", 5, 1)
    found = entries(written(tree, tmp_path / "x.cpio"))
    assert found["usr/bin/program"] == (stat.S_IFREG | 0o755, b"\x7fELF", (0, 0))
    assert found["etc/name"] == (stat.S_IFREG | 0o644, b"odd", (0, 0))
    assert found["bin"] == (stat.S_IFLNK | 0o777, b"usr/bin", (0, 0))
    assert found["data"] == (stat.S_IFDIR | 0o700, b"", (0, 0))
    assert found["dev/console"] == (stat.S_IFCHR | 0o600, b"", (5, 1))
    names = list(found)
    assert names.index("usr") < names.index("usr/bin") < names.index("usr/bin/program")


def test_equal_files_give_equal_bytes(tmp_path):
    def archive(folder, names):
        tree = Initramfs()
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(name)
            tree.copy(folder / name, f"/{name}")
        return written(tree, folder / "x.cpio.gz")

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = archive(tmp_path / "one", ["a", "b", "c"])
    assert one == archive(tmp_path / "two", ["c", "a", "b"])
    assert list(entries(gzip.decompress(one))) == ["a", "b", "c"]
    assert not (tmp_path / "one" / "x.cpio").exists()


def test_a_tree_is_copied_with_its_links(tmp_path):
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "file").write_text("x")
    (tmp_path / "tree" / "link").symlink_to("sub/file")
    tree = Initramfs()
    tree.copy(tmp_path / "tree", "/opt/tree")
    found = entries(written(tree, tmp_path / "x.cpio"))
    assert list(found) == ["opt", "opt/tree", "opt/tree/link", "opt/tree/sub", "opt/tree/sub/file"]
    assert found["opt/tree/link"][:2] == (stat.S_IFLNK | 0o777, b"sub/file")


def test_zstd_packs_the_same(tmp_path):
    tree = Initramfs()
    tree.file("/init", b"#!/bin/sh\n" * 100, 0o755)
    plain = written(tree, tmp_path / "x.cpio")
    try:
        tree.write(tmp_path / "x.cpio.zst")
    except FileNotFoundError:
        pytest.skip("there is no zstd")
    unpacking = ["zstd", "-dcq", str(tmp_path / "x.cpio.zst")]
    assert subprocess.run(unpacking, capture_output=True, check=True).stdout == plain


@pytest.mark.parametrize("path", ["init", "/usr/../init"])
def test_a_path_that_leads_elsewhere_is_refused(path):
    with pytest.raises(ValueError, match="absolute"):
        Initramfs().file(path, b"")


@pytest.fixture
def modules(tmp_path):
    """A kernel's modules: disk needs cache and sums, of which sums are built in."""
    (tmp_path / "kernel").mkdir()

    def module(name, needs):
        return b"ELF\0license=GPL\0depends=" + needs + b"\0name=" + name + b"\0"

    (tmp_path / "kernel" / "my-disk.ko").write_bytes(module(b"my_disk", b"cache-a,sums"))
    (tmp_path / "kernel" / "cache_a.ko.xz").write_bytes(lzma.compress(module(b"cache_a", b"")))
    (tmp_path / "modules.builtin").write_text("kernel/lib/sums.ko\n")
    return tmp_path


def test_modules_come_after_what_they_need(modules):
    found = modules_in_order(modules, ["my_disk", "cache-a", "sums"])
    assert [path.name for path in found] == ["cache_a.ko.xz", "my-disk.ko"]
    assert module_content(found[0]).startswith(b"ELF\0")


def test_a_module_that_the_kernel_has_not_is_named(modules):
    with pytest.raises(LookupError, match="no module net"):
        modules_in_order(modules, ["net"])
