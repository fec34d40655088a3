"""The configuration file on Linux: TOML, the secrets it points to, and the platform's defaults.

Promises one clear error for whatever is wrong with the file or with one that it names, and that no
secret is in it.  Leaves the keys themselves to the core's `settings`, and everything that needs a
connection to `tidegate check`.

A relative path in the file begins at the file's own folder, so that a gateway means the same files
whoever starts it wherever.  One that begins with $CREDENTIALS_DIRECTORY begins at the folder of the
secrets that systemd gives a service (LoadCredential= in the unit).  The hub's `sqlite:///hub.db` is
the exception: it is an SQLAlchemy URL and means what SQLAlchemy says, and the folder of a
configuration is often one that a hub must not write to.
"""

import os
import shlex
import socket
import stat
import tomllib
from pathlib import Path
from typing import Any

from tidegate.config.advice import advise_gateway, advise_hub
from tidegate.config.checks import NAME_CHARACTERS_MAX, check_name, check_token
from tidegate.config.gateway_schema import GATEWAY
from tidegate.config.hub_schema import HUB
from tidegate.config.reading.gateway_reader import read_gateway
from tidegate.config.reading.hub_reader import check_tokens_differ, read_hub
from tidegate.config.reading.reader import TEXT_CHARACTERS_MAX
from tidegate.config.schema import PATH, SettingsError, Table, variant_of
from tidegate.config.secret import Secret
from tidegate.config.settings import (
    LISTEN,
    MQTT,
    NODES,
    GatewaySettings,
    HubNodeSettings,
    HubSettings,
    ListenerSettings,
    NodesSettings,
    SourceSettings,
    UplinkSettings,
)
from tidegate_linux.errors import OperatorError
from tidegate_linux.nodes.tokens import TokensError, load_tokens

# Below this the commit of a burst, its log and the ballast take more than the records do.
LIMIT_BYTES_MIN = 16_000_000
CONFIG_BYTES_MAX = 1 << 20  # A hundred times the sample; more is some other file.
CREDENTIALS = "CREDENTIALS_DIRECTORY"


class ConfigError(OperatorError):
    """Report what is wrong with a configuration and what to do, each one line for the operator."""


def load_gateway(
    path: str | os.PathLike[str], *, secrets: bool = True
) -> tuple[GatewaySettings, list[str]]:
    """Return the settings in a gateway's file, and warnings about them; raise `ConfigError`.

    Without `secrets` no other file and no variable is read: `tidegate status` has to work for a
    user who may not read the token.
    """
    file = _File(path, GATEWAY)
    try:
        settings = read_gateway(file.tree, host_name())
        if not secrets:
            return settings, []
        _check_limit(settings.journal.limit_bytes)
        paths = settings.source_paths(MQTT)
        sources = tuple(map(file.source, settings.sources, paths))
        for listener, place in zip(settings.listeners, settings.source_paths(LISTEN), strict=True):
            file.check_tls_files(listener, place)
        for nodes, place in zip(settings.nodes, settings.source_paths(NODES), strict=True):
            file.check_nodes(nodes, place)
        uplink = None if settings.uplink is None else file.uplink(settings.uplink)
    except SettingsError as error:
        raise file.error(error) from None
    settings = settings._replace(sources=sources, uplink=uplink)
    return settings, file.warnings + advise_gateway(settings)


def load_hub(path: str | os.PathLike[str]) -> tuple[HubSettings, list[str]]:
    """Return the settings in a hub's file, and warnings about them; raise `ConfigError`."""
    file = _File(path, HUB)
    try:
        settings = read_hub(file.tree)
        nodes = tuple(
            file.node(node, f"hub.node[{index}]") for index, node in enumerate(settings.nodes)
        )
        check_tokens_differ(nodes)
    except SettingsError as error:
        raise file.error(error) from None
    _, _, address = settings.database.reveal().partition("://")
    login, at, _ = address.partition("@")
    if at and ":" in login:
        file.holds_secret()
    settings = settings._replace(nodes=nodes)
    return settings, file.warnings + advise_hub(settings)


def _check_limit(limit_bytes: int) -> None:
    if limit_bytes < LIMIT_BYTES_MIN:
        problem = f"{limit_bytes} is below {LIMIT_BYTES_MIN}, what a journal on SQLite takes"
        raise SettingsError("journal.limit_bytes", problem, "give it more")


def host_name() -> str:
    """Return the host's name, as far as a node can be called so."""
    name = socket.gethostname()[:NAME_CHARACTERS_MAX]
    return "".join(letter if _can_name(letter) else "-" for letter in name) or "tidegate"


def _can_name(letter: str) -> bool:
    try:
        check_name(letter)
    except ValueError:
        return False
    return True


class _File:
    """A configuration file, what it names, and the warnings met on the way."""

    def __init__(self, path: str | os.PathLike[str], table: Table) -> None:
        self.path = Path(path)
        self.warnings: list[str] = []
        self.tree = read_tree(self.path)
        if table is GATEWAY and "hub" in self.tree and "source" not in self.tree:
            raise ConfigError(f"{path}: is a hub's file", "run it with tidegate hub -c FILE")
        if table is HUB and "source" in self.tree and "hub" not in self.tree:
            raise ConfigError(f"{path}: is a gateway's file", "run it with tidegate run -c FILE")
        _anchor(table, self.tree, self.path.absolute().parent)

    def error(self, error: SettingsError) -> ConfigError:
        return ConfigError(f"{self.path}: {error}", error.hint)

    def source(self, source: SourceSettings, path: str) -> SourceSettings:
        """Return the source with its password."""
        self.check_tls_files(source, path)
        password = self._secret(
            path, "password", source.password, source.password_file, source.password_env
        )
        return source._replace(password=password)

    def uplink(self, uplink: UplinkSettings) -> UplinkSettings:
        """Return the uplink with its token."""
        self.check_tls_files(uplink, "uplink")
        return uplink._replace(token=self._token("uplink", uplink))

    def node(self, node: HubNodeSettings, path: str) -> HubNodeSettings:
        """Return the hub's node with its token, if it has not only a hash."""
        return node._replace(token=self._token(path, node))

    def holds_secret(self) -> None:
        """Take note of a secret in the file itself."""
        self._warn_if_exposed(self.path)

    def _token(self, path: str, given: UplinkSettings | HubNodeSettings) -> Secret:
        token = self._secret(path, "token", given.token, given.token_file, given.token_env)
        if token and not given.token:
            key = "token_file" if given.token_file else "token_env"
            try:
                check_token(token.reveal())
            except ValueError as error:
                problem = f"leads to a text that {error}"
                raise SettingsError(f"{path}.{key}", problem, "put a token there") from None
        return token

    def _secret(self, path: str, name: str, given: Secret, file: str, variable: str) -> Secret:
        if given:
            self.holds_secret()
            return given
        if file:
            key = f"{path}.{name}_file"
            text = _text_of(Path(file), key)
            self._warn_if_exposed(Path(file))
        elif variable:
            key = f"{path}.{name}_env"
            # Not even the variable's name is quoted: who mistook the key wrote the secret there.
            if variable not in os.environ:
                hint = "set the variable, or write its name without $ and not the secret itself"
                raise SettingsError(key, "names an environment variable that is not set", hint)
            text = os.environ[variable]
        else:
            return given
        if not text:
            raise SettingsError(key, "leads to an empty text", f"put the {name} there")
        if len(text) > TEXT_CHARACTERS_MAX or any(
            letter < " " or letter == "\x7f" for letter in text
        ):
            problem = f"leads to more than one line of {TEXT_CHARACTERS_MAX} characters at most"
            raise SettingsError(key, problem, f"put nothing but the {name} there")
        return Secret(text)

    def check_tls_files(
        self, given: SourceSettings | ListenerSettings | UplinkSettings, path: str
    ) -> None:
        """Look whether the files for TLS can be read, and the key by us alone."""
        files = (
            ("ca_file", given.ca_file),
            ("cert_file", given.cert_file),
            ("key_file", given.key_file),
        )
        for name, file in files:
            if file:
                _bytes_of(Path(file), f"{path}.{name}")
        if given.key_file:
            self._warn_if_exposed(Path(given.key_file))

    def check_nodes(self, given: NodesSettings, path: str) -> None:
        """Look whether the files of a place for nodes can be read, and what is in them used."""
        for name, file in (("cert_file", given.cert_file), ("key_file", given.key_file)):
            if file:
                _bytes_of(Path(file), f"{path}.{name}")
        tokens = Path(given.tokens_file)
        _bytes_of(tokens, f"{path}.tokens_file")
        try:
            load_tokens(tokens)
        except TokensError as error:
            raise SettingsError(f"{path}.tokens_file", error.what, error.hint) from None
        for secret in filter(None, (given.key_file, given.tokens_file)):
            self._warn_if_exposed(Path(secret))

    def _warn_if_exposed(self, path: Path) -> None:
        if path.stat().st_mode & stat.S_IROTH:
            command = f"chmod o-r {shlex.quote(str(path))}"
            warning = f"{path}: holds a secret and every user can read it; run {command}"
            if warning not in self.warnings:
                self.warnings.append(warning)


def read_tree(path: Path) -> dict[str, Any]:
    """Return the plain values in a TOML file; raise `ConfigError`."""
    try:
        # A pipe is allowed here, so that a file can be made on the fly.
        with path.open("rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(data) > CONFIG_BYTES_MAX:
        raise ConfigError(f"{path}: has more than {CONFIG_BYTES_MAX} bytes", "is it another file?")
    try:
        text = data.decode("utf-8-sig")  # Windows editors put a mark at the beginning.
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: is not UTF-8", "save the file as UTF-8") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, str(error)) from None
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, and brackets within brackets within brackets.
        what = f"{path}: cannot be read as TOML ({type(error).__name__})"
        raise ConfigError(what, "compare it with the sample file") from None


def _syntax_error(path: Path, message: str) -> ConfigError:
    """Return the error with its place in front, where an editor and a person look for it."""
    problem, _, place = message.removesuffix(")").rpartition(" (at ")
    if not problem:
        problem, place = message, "some line"
    problem = problem[:1].lower() + problem[1:]
    hint = 'texts need quotes, for example name = "site-7"; numbers, true and false do not'
    return ConfigError(f"{path}: {place}: {problem}", hint)


def _unreadable(path: Path, error: OSError) -> ConfigError:
    if isinstance(error, FileNotFoundError):
        hint = "name another one with -c FILE, or begin with a copy of the sample file"
        return ConfigError(f"{path}: no such file", hint)
    if isinstance(error, IsADirectoryError):
        return ConfigError(f"{path}: is a folder, not a file", "name the file in it with -c FILE")
    if isinstance(error, PermissionError):
        hint = "run as a user who may read it, or give this user's group the right to"
        return ConfigError(f"{path}: cannot be read: permission denied", hint)
    reason = (error.strerror or str(error)).lower()
    return ConfigError(f"{path}: cannot be read: {reason}", "name another one with -c FILE")


def _text_of(path: Path, key: str) -> str:
    """Return the text in a file that `key` names, without the end of its last line."""
    try:
        return _bytes_of(path, key).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SettingsError(key, f"leads to {path}, which is not UTF-8", "write it anew") from None


def _bytes_of(path: Path, key: str) -> bytes:
    """Return what is in a file that `key` names; a pipe or a device could block for ever."""
    try:
        if path.exists() and not path.is_file():
            raise SettingsError(key, f"{path} is not a file", "name a plain file")
        with path.open("rb") as file:
            return file.read(CONFIG_BYTES_MAX)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "check the path, which begins at this file's folder, and the rights"
        if f"/${CREDENTIALS}/" in str(path):
            hint = "systemd sets that variable for its services; elsewhere name the file itself"
        raise SettingsError(key, f"{path} cannot be read: {reason}", hint) from None


def _anchor(table: Table, tree: object, folder: Path) -> None:
    """Make every relative path in the tree absolute; leave what is wrong to the reader."""
    for each in tree if isinstance(tree, list) else [tree]:
        if not isinstance(each, dict):
            continue
        for key in variant_of(table, each).keys:
            value = each.get(key.name)
            if key.kind == PATH and isinstance(value, str) and value:
                each[key.name] = str(folder / _among_credentials(value))
        for inner in table.tables:
            _anchor(inner, each.get(inner.name), folder)


def _among_credentials(path: str) -> str:
    """Return the path with the folder of credentials in it, if it begins there and there is one."""
    variable, slash, rest = path.partition("/")
    if variable == f"${CREDENTIALS}" and CREDENTIALS in os.environ:
        return os.environ[CREDENTIALS] + slash + rest
    return path
