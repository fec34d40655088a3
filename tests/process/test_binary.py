"""The frozen program does what the source does: the demo, a real ingest with kills, the hub."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from fixtures.binary import COMMIT, VENV, build, built, built_binary, built_folder, info_of
from fixtures.gateway import toml
from fixtures.sources import wait_until
from process.site import Site
from tidegate.version import VERSION

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "build"))

import binary  # noqa: E402
import glibc_floor  # noqa: E402
import measuring  # noqa: E402

pytestmark = pytest.mark.slow
ROUNDS = 7
END_S = 60.0


def in_folder():
    return built_folder() / "tidegate"


def run(*arguments, program=built_binary, **options):
    command = [str(program()), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=END_S, **options)


@pytest.mark.parametrize(("program", "form"), [(built_binary, "onefile"), (in_folder, "folder")])
def test_it_says_what_it_is(program, form):
    info = info_of(program())
    assert info["version"] == VERSION
    assert info["commit"] == COMMIT
    assert info["date"] == "2027-01-15T08:00:00Z"
    assert info["form"] == form
    assert run("version", program=program).stdout.startswith(f"tidegate {VERSION}, CPython 3.")


def test_version_and_floor_in_every_name_are_those_of_the_program():
    floor = info_of(built_binary())["glibc_floor"].replace(".", "")
    stem = f"tidegate-{VERSION}-linux-glibc{floor}-{binary.own_arch()}"
    assert built_binary().name == stem
    assert built().archive.name == f"{stem}.tar.gz"
    with tarfile.open(built().archive) as archive:
        tops = {name.split("/")[0] for name in archive.getnames()}
    assert tops == {f"tidegate-{VERSION}"}


def test_the_glibc_it_needs_is_not_above_what_we_state():
    floor = glibc_floor.floor_of([built_folder(), built_binary()])
    assert glibc_floor.floor_text(floor) == info_of(built_binary())["glibc_floor"]
    assert floor <= glibc_floor.FLOOR_MAX


def test_one_file_is_small_enough_to_be_carried():
    assert built_binary().stat().st_size <= measuring.ONE_FILE_BYTES_MAX


def test_the_archive_names_nobody_and_no_time_of_this_machine():
    with tarfile.open(built().archive) as archive:
        for member in archive:
            assert (member.uid, member.gid, member.uname) == (0, 0, "root")
            assert member.mtime == 1_800_000_000
            assert member.mode in (0o644, 0o755)


def test_what_ends_threads_is_inside():
    """glibc loads it by name; without it the end of a gateway on a small system is an abort."""
    assert (built_folder() / "_internal" / "libgcc_s.so.1").is_file()


def test_two_builds_in_two_folders_are_equal_to_the_bit(tmp_path):
    sources = tmp_path / "another" / "place" / "of-the-sources"
    shutil.copytree(built().sources, sources)
    build(sources, tmp_path / "out", "--here")
    for path in (built().one_file, built().archive):
        again = tmp_path / "out" / path.name
        assert digest_of(again) == digest_of(path), path.name


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("program", [built_binary, in_folder])
def test_the_demo_balances(tmp_path, program):
    command = ["demo", "--seconds", "12", "--devices", "4"]
    result = run(*command, program=program, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert result.returncode == 0, result.stdout + result.stderr
    assert "it balances" in result.stdout
    assert not list(tmp_path.iterdir())


def test_check_looks_at_a_configuration(tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text(
        toml(
            {
                "node": {"name": "site-7", "data": str(tmp_path / "data")},
                "source": [{"type": "listen", "url": "mqtt://127.0.0.1:18830"}],
            }
        )
    )
    config.chmod(0o600)
    result = run("check", "-c", config)
    assert result.returncode == 0, result.stdout + result.stderr


def test_deploy_has_what_a_board_is_given(tmp_path):
    config = ROOT / "packaging" / "micropython" / "examples"
    example = next(config.rglob("config.json"))
    result = run("deploy", "--port", tmp_path / "no-board", "--config", example, "--dry-run")
    assert result.returncode == 1
    assert "no-board" in result.stderr, result.stderr


def test_the_hub_in_it_speaks_to_postgresql(tmp_path, postgres):
    hub = {"url": "http://127.0.0.1:0", "database": postgres.create_database()}
    node = {"name": "site-7", "token": "4a1f0c9b93be7d21"}
    config = tmp_path / "hub.toml"
    config.write_text(toml({"hub": hub, "hub.node": [node]}))
    config.chmod(0o600)
    log = tmp_path / "hub.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(in_folder()), "hub", "-c", str(config)], stdout=output, stderr=output
        )
    try:
        wait_until(lambda: "listening on" in log.read_text(), log.read_text)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S) == 0, log.read_text()


def run_instead(program):
    """Return what turns a command of the source into one of this program, which takes its place."""
    return ["sh", "-c", 'shift 3; exec "$0" "$@"', str(program)]


def end_folder(site):
    site.gateway.kill()


def end_program(site):
    """Kill the program; its loader ends by itself."""
    os.kill(program_of(site), signal.SIGKILL)
    assert site.gateway.wait_for_end() == -signal.SIGKILL


def end_both(site):
    """Kill program and loader, as an empty memory or a supervisor does."""
    program = program_of(site)
    os.kill(program, signal.SIGKILL)
    site.gateway.kill()
    wait_until(lambda: not Path(f"/proc/{program}").exists(), site.gateway.log)


def program_of(site):
    loader = site.gateway.pid
    return int(Path(f"/proc/{loader}/task/{loader}/children").read_text().split()[0])


@pytest.mark.parametrize(
    ("program", "ends"),
    [(in_folder, [end_folder, end_folder]), (built_binary, [end_program, end_both])],
    ids=["folder", "one file"],
)
def test_nothing_is_lost_or_doubled_over_kills(tmp_path, program, ends):
    with Site(tmp_path, prefix=run_instead(program())) as site:
        with site.load():
            for end in ends:
                site.pause(1.5)
                end(site)
                site.spawn()
                site.wait_listening()
            site.pause(1.0)
        verdict = site.settle()
        assert sum(site.sent.values()) > 100
        assert verdict.is_whole, verdict


@pytest.mark.alone
def test_a_gateway_starts_not_much_later_than_by_the_bare_interpreter():
    programs = {
        "interpreter": measuring.interpreter(VENV / "bin" / "python"),
        "one file": [str(built_binary())],
        "folder": [str(in_folder())],
    }
    found = measuring.measure(programs, ROUNDS)
    bare = found["interpreter"].start_s
    ratios = {name: round(one.start_s / bare, 2) for name, one in found.items()}
    over = {name for name, ratio in ratios.items() if ratio > measuring.START_RATIO_MAX[name]}
    assert not over, (ratios, found)
