"""Which releases may follow the program that runs."""

import pytest

from fixtures.releases import manifest_of
from tidegate_linux.update.errors import UpdateError
from tidegate_linux.update.fitness import Place, check_fitness, ordered, this_glibc, this_platform

PLACE = Place("onefile", "1.0.0", this_platform(), "2.36", 2, (1, 2))


def fits(place=PLACE, forced=False, **changes):
    check_fitness(manifest_of(b"x", **{"glibc": "2.36", **changes}), place, forced)


def test_a_newer_one_for_this_machine_fits():
    fits()
    fits(glibc="2.4")
    fits(PLACE._replace(journal=None))
    assert this_glibc().startswith("2.")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kind": "efi"}, "of the kind efi"),
        ({"platform": "linux/arm64" if "amd64" in this_platform() else "linux/amd64"}, "is for"),
        ({"glibc": "2.37"}, "needs glibc 2.37"),
        ({"glibc": "2.100"}, "needs glibc 2.100"),
        ({"version": "1.0.0"}, "runs already"),
        ({"version": "0.9.9"}, "here runs 1.0.0 already"),
        ({"version": "1.0.0-rc.1"}, "here runs 1.0.0 already"),
        ({"name": "tidegate-9.9.9-linux-glibc236-amd64"}, "instead of tidegate-1.1.0-"),
        ({"journal_reads": (1,), "journal_writes": 1}, "reads 1"),
        ({"journal_reads": (2, 3), "journal_writes": 3}, "could not read if it had to come back"),
    ],
)
def test_one_that_does_not_fit_is_refused(changes, why):
    with pytest.raises(UpdateError, match=why):
        fits(**changes)


def test_another_c_library_is_refused():
    with pytest.raises(UpdateError, match="this machine has none"):
        fits(PLACE._replace(glibc=""))


def test_an_older_one_fits_if_it_is_forced_and_reads_the_journal():
    fits(forced=True, version="0.9.0")
    with pytest.raises(UpdateError, match="the journal has format 2"):
        fits(forced=True, version="0.9.0", journal_reads=(1,), journal_writes=1)
    with pytest.raises(UpdateError, match="runs already"):
        fits(forced=True, version="1.0.0")


def test_a_journal_that_a_newer_version_left_is_not_given_to_an_older_one():
    with pytest.raises(UpdateError, match="the journal has format 3, version"):
        fits(PLACE._replace(journal=3))


def test_versions_are_ordered_as_semver_has_it():
    rising = [
        "0.9.9", "0.10.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
        "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0",
    ]  # fmt: skip
    assert sorted(rising, key=ordered) == rising
    assert len({ordered(version) for version in rising}) == len(rising)
