"""The table of conformance says what the tests do, and leaves nothing out."""

import pytest

from endpoint.conformance import table

VERSIONS = sorted(table.MODULES)


def test_the_page_is_up_to_date():
    assert table.PAGE.read_text() == table.page(), "run: python tests/endpoint/conformance/table.py"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_statement_that_binds_a_server_has_a_test(version):
    claims = table.claims()
    stated = table.statements(version)
    assert [
        one.number for one in stated if one.is_tested and (version, one.number) not in claims
    ] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_no_statement_is_listed_twice(version):
    numbers = [one.number for one in table.statements(version)]
    assert sorted(set(numbers)) == sorted(numbers)


def test_no_test_names_an_unknown_statement():
    known = {(version, one.number) for version in VERSIONS for one in table.statements(version)}
    assert {key: names for key, names in table.claims().items() if key not in known} == {}
