"""The release file: what is read from a good one, and that no hostile one gets past its head."""

import io
import json

import pytest
from nacl.signing import SigningKey

from fixtures.releases import KEY, SECRET, manifest_of, release_of, signed
from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.keys import SECRET_LINE, Key, trusted_keys
from tidegate_linux.update.release_file import (
    MANIFEST_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    head,
    read_release,
)

PAYLOAD = b"#!/bin/sh\nexit 0\n" * 5000
MANIFEST = manifest_of(PAYLOAD)
WHOLE = release_of(MANIFEST, PAYLOAD)
HEAD_BYTES = len(WHOLE) - len(PAYLOAD)
OTHER = SigningKey(bytes(32))


class Watched(io.BytesIO):
    """A stream that knows how much was taken from it."""

    taken = 0

    def read(self, size=-1):
        piece = super().read(size)
        self.taken += len(piece)
        return piece


def taken(data, keys=(KEY,)):
    """Read a whole release file; return manifest and payload."""
    release, sink = read_release(io.BytesIO(data), keys), io.BytesIO()
    release.copy_payload(sink)
    return release.manifest, sink.getvalue()


def refusal(data, keys=(KEY,)):
    with pytest.raises(UpdateError) as caught:
        taken(data, keys)
    assert caught.value.what and caught.value.hint
    assert "\n" not in caught.value.what
    return caught.value.what


def test_a_release_comes_back_as_it_was_made():
    assert taken(WHOLE) == (MANIFEST, PAYLOAD)


def test_any_of_several_keys_may_have_signed():
    assert taken(WHOLE, (Key("old", bytes(OTHER.verify_key)), KEY))[0] == MANIFEST


def test_a_release_cut_off_anywhere_is_refused():
    for length in [*range(HEAD_BYTES + 2), len(WHOLE) // 2, len(WHOLE) - 1]:
        refusal(WHOLE[:length])


def test_a_flipped_bit_anywhere_is_refused():
    for at in [*range(HEAD_BYTES), HEAD_BYTES, len(WHOLE) // 2, len(WHOLE) - 1]:
        for bit in range(8):
            damaged = bytearray(WHOLE)
            damaged[at] ^= 1 << bit
            refusal(bytes(damaged))


def test_what_follows_the_program_is_refused():
    assert "goes on" in refusal(WHOLE + b"\0")


def test_another_key_is_refused_by_name():
    made = release_of(MANIFEST, PAYLOAD, OTHER)
    assert "no key that this program trusts" in refusal(made)


def test_unsigned_is_refused():
    line = MANIFEST.line()
    assert "not signed" in refusal(line + b"\n\n" + PAYLOAD)
    assert refusal(line + b"\n" + b"A" * 88 + b"\n" + PAYLOAD)


def test_a_signature_over_the_bare_manifest_does_not_count():
    line = MANIFEST.line()
    bare = SECRET.sign(line).signature
    assert "no key" in refusal(head(line, bare) + PAYLOAD)


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"\n",
        b"\n\n",
        b"\x7fELF" + bytes(10_000),
        b"<html>\nlog in first\n</html>\n",
        b"{" * 1_000_000,
        b"{}\n" + b"A" * 1_000_000,
    ],
)
def test_what_is_no_release_is_refused_after_its_first_bytes(page):
    stream = Watched(page)
    with pytest.raises(UpdateError, match="no release file"):
        read_release(stream, [KEY])
    assert stream.taken <= MANIFEST_BYTES_MAX + 200


def test_nothing_is_parsed_before_its_signature_is_good():
    line = b'{"product":"tidegate","format":' + b"[" * 3000
    assert "no key" in refusal(signed(line, OTHER) + PAYLOAD)
    assert "none of Tidegate's" in refusal(signed(line) + PAYLOAD)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("product", "another"),
        ("format", 2),
        ("format", "1"),
        ("kind", "one/file"),
        ("version", "1.2"),
        ("version", "1.2.3\n"),
        ("version", "1.2.3/../../x"),
        ("version", "١.2.3"),
        ("platform", "linux/riscv64"),
        ("glibc", "2.36; rm"),
        ("journal_reads", []),
        ("journal_reads", [2, True]),
        ("journal_reads", [1]),
        ("journal_writes", 0),
        ("journal_writes", 3),
        ("name", "../../etc/passwd"),
        ("name", "/bin/sh"),
        ("name", ".hidden"),
        ("name", ""),
        ("name", "a\0b"),
        ("name", "a" * 101),
        ("name", None),
        ("size", 0),
        ("size", -1),
        ("size", PAYLOAD_BYTES_MAX + 1),
        ("size", 1e6),
        ("size", 10**4000),
        ("size", True),
        ("sha256", "00"),
        ("sha256", "A" * 64),
    ],
)
def test_a_signed_manifest_is_checked_all_the_same(name, value):
    fields = {**json.loads(MANIFEST.line()), name: value}
    refusal(signed(json.dumps(fields).encode()) + PAYLOAD)


@pytest.mark.parametrize("line", [b"{}", b"{]", b"{\xff}", b'{"product":"tidegate"}'])
def test_a_signed_line_that_is_no_manifest_is_refused(line):
    refusal(signed(line) + PAYLOAD)


def test_not_a_byte_more_than_announced_is_written():
    small = manifest_of(PAYLOAD[:1000])
    release, sink = read_release(io.BytesIO(release_of(small, PAYLOAD)), [KEY]), io.BytesIO()
    with pytest.raises(UpdateError):
        release.copy_payload(sink)
    assert sink.tell() == 1000


def key_folder(path, text=None):
    path.mkdir(parents=True)
    path.chmod(0o755)
    if text is not None:
        (path / "site.pub").write_text(text)
        (path / "site.pub").chmod(0o644)
    return path


GOOD = "# of the site\nVCUYk5HRLMaOM1hT6ZwaZdHzPdW7MVnd0fNhmLvHR3g=\n"


def test_a_program_without_keys_trusts_nobody(tmp_path):
    with pytest.raises(UpdateError, match="trusts no key"):
        trusted_keys(tmp_path / "none", tmp_path / "keys", told)


def test_keys_beside_the_program_are_added_to_its_own(tmp_path):
    pinned, beside = key_folder(tmp_path / "p", GOOD), key_folder(tmp_path / "keys", GOOD)
    assert [key.name for key in trusted_keys(pinned, beside, told)] == ["site", "site"]


def test_one_file_that_is_no_key_does_not_keep_the_others_from_counting(tmp_path):
    beside, said = key_folder(tmp_path / "keys", GOOD), []
    add(beside, "empty", "")
    add(beside, "secret", f"{SECRET_LINE}\n{GOOD}")
    assert [key.name for key in trusted_keys(tmp_path / "none", beside, said.append)] == ["site"]
    assert "empty.pub holds no public key" in said[0]
    assert "secret.pub is a secret key" in said[1]
    (beside / "site.pub").unlink()
    with pytest.raises(UpdateError, match="trusts no key"):
        trusted_keys(tmp_path / "none", beside, said.append)


def test_no_key_is_passed_over_in_silence(tmp_path):
    beside = key_folder(tmp_path / "keys")
    for number in range(17):
        add(beside, f"{number}", GOOD)
    with pytest.raises(UpdateError, match="has 17 keys, 16 may be"):
        trusted_keys(tmp_path / "none", beside, told)


def add(folder, name, text):
    path = folder / f"{name}.pub"
    path.write_text(text)
    path.chmod(0o644)


def told(text):
    raise AssertionError(f"nothing should be told: {text}")


@pytest.mark.parametrize("change", ["folder", "file", "link"])
def test_keys_that_others_could_have_put_there_are_refused(tmp_path, change):
    beside = key_folder(tmp_path / "keys", GOOD)
    key = beside / "site.pub"
    if change == "folder":
        beside.chmod(0o775)
    elif change == "file":
        key.chmod(0o646)
    else:
        key.rename(tmp_path / "elsewhere")
        key.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UpdateError, match="could be changed by others"):
        trusted_keys(tmp_path / "none", beside, told)


@pytest.mark.parametrize("text", ["", "AAAA", "no base64 at all", "é", "A" * 10_000])
def test_a_damaged_key_is_named(tmp_path, text):
    with pytest.raises(UpdateError, match=r"site\.pub holds no public key"):
        trusted_keys(key_folder(tmp_path / "p", text), tmp_path / "none", told)
