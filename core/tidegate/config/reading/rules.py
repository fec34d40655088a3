"""What one key demands of others: given once, given together, given first."""

from tidegate.config.schema import SettingsError
from tidegate.config.url import is_tls
from tidegate.config.words import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.config.settings import (
        HubNodeSettings,
        ListenerSettings,
        NodesSettings,
        SourceSettings,
        UplinkSettings,
    )
    from tidegate.config.url import Url


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


def check_tls(path: str, given: "SourceSettings | UplinkSettings | ListenerSettings") -> None:
    """Raise `SettingsError` when the files for TLS are incomplete, or would not be used."""
    _check_files(path, given.url, given.ca_file, given.cert_file, given.key_file)


def _check_files(path: str, url: "Url", ca_file: str, cert_file: str, key_file: str) -> None:
    files = [("ca_file", ca_file), ("cert_file", cert_file), ("key_file", key_file)]
    for name, file in files:
        if file and not is_tls(url):
            # Who names a certificate believes the line encrypted: better no line than a plain one.
            problem = f"is for TLS, and the url begins with {url.scheme}://"
            raise SettingsError(f"{path}.{name}", problem, f"write {url.scheme}s://")
    for name, file, other_name, other in (files[1] + files[2], files[2] + files[1]):
        if file and not other:
            raise SettingsError(
                f"{path}.{other_name}",
                f"is missing, and {name} is given",
                "give both; one file may hold the certificate and the key",
            )


def check_nodes_tls(path: str, given: "NodesSettings") -> None:
    """Raise `SettingsError` when a place for nodes cannot do the TLS that it is asked for."""
    _check_files(path, given.url, "", given.cert_file, given.key_file)
    if is_tls(given.url) and not given.cert_file:
        problem = f"is missing, and the url begins with {given.url.scheme}://"
        raise SettingsError(f"{path}.cert_file", problem, "give cert_file and key_file")


def check_listener_tls(path: str, given: "ListenerSettings") -> None:
    """Raise `SettingsError` when a listener cannot do the TLS that it is asked for."""
    check_tls(path, given)
    login = given.certificate_login
    if not is_tls(given.url):
        if login != "off":
            problem = f"is for TLS, and the url begins with {given.url.scheme}://"
            hint = f"write {given.url.scheme}s://"
            raise SettingsError(f"{path}.certificate_login", problem, hint)
        return
    if not given.cert_file:
        problem = f"is missing, and the url begins with {given.url.scheme}://"
        raise SettingsError(f"{path}.cert_file", problem, "give cert_file and key_file")
    if login != "off" and not given.ca_file:
        problem = f"is missing, and certificate_login is {login}"
        hint = "name the authorities that sign the clients' certificates"
        raise SettingsError(f"{path}.ca_file", problem, hint)
    if login == "off" and given.ca_file:
        # Who names an authority believes that certificates are asked for.
        problem = "is for clients' certificates, and certificate_login is off"
        hint = 'write certificate_login = "required", or "optional"'
        raise SettingsError(f"{path}.ca_file", problem, hint)


def token_keys(given: "UplinkSettings | HubNodeSettings") -> "list[tuple[str, bool]]":
    """Return the keys that a token can be given by, and whether each is."""
    return [
        ("token", bool(given.token)),
        ("token_file", given.token_file != ""),
        ("token_env", given.token_env != ""),
    ]
