"""What one key demands of others: given once, given together, given first."""

from tidegate.config.schema import SettingsError
from tidegate.config.url import is_tls
from tidegate.config.words import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.config.settings import SourceSettings, UplinkSettings


def one_of(path: str, name: str, keys: "Sequence[tuple[str, bool]]") -> None:
    """Raise `SettingsError` unless exactly one of the `keys` (name, whether given) is given.

    `name` is the key to blame when none is.
    """
    given = [key for key, is_given in keys if is_given]
    names = [key for key, _ in keys]
    if not given:
        hint = f"give {', '.join(names[:-1])} or {names[-1]}"
        raise SettingsError(f"{path}.{name}", "is missing", hint)
    if len(given) > 1:
        problem = f"is given, and {given[1]} too"
        raise SettingsError(f"{path}.{given[0]}", problem, "keep one of the two")


def first_of(path: str, name: str, value: str, before: "Sequence[str]") -> None:
    """Raise `SettingsError` when one of the tables before has the same value."""
    if value in before:
        problem = f"{shown(value)} is given twice"
        raise SettingsError(f"{path}.{name}", problem, f"give each its own {name}")


def check_tls(path: str, given: "SourceSettings | UplinkSettings") -> None:
    """Raise `SettingsError` when the files for TLS are incomplete, or would not be used."""
    files = [
        ("ca_file", given.ca_file),
        ("cert_file", given.cert_file),
        ("key_file", given.key_file),
    ]
    for name, file in files:
        if file and not is_tls(given.url):
            # Who names a certificate believes the line encrypted: better no line than a plain one.
            problem = f"is for TLS, and the url begins with {given.url.scheme}://"
            raise SettingsError(f"{path}.{name}", problem, f"write {given.url.scheme}s://")
    for name, file, other_name, other in (files[1] + files[2], files[2] + files[1]):
        if file and not other:
            raise SettingsError(
                f"{path}.{other_name}",
                f"is missing, and {name} is given",
                "give both; one file may hold the certificate and the key",
            )
