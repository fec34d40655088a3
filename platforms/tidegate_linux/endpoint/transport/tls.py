"""TLS of a listener: its certificate and whom it trusts, read from files, and read again.

Promises that new files which do not fit together leave the old ones in use.  Connections that stand
go on as they are; new ones use what was read last.
"""

import ssl
from typing import TYPE_CHECKING

from tidegate.config.url import is_tls

if TYPE_CHECKING:
    from tidegate.config.settings import ListenerSettings

OFF = "off"
REQUIRED = "required"


class TlsError(Exception):
    """Report that the TLS files of a listener are of no use, and why."""


class Tls:
    """The TLS context of one listener; `context` is None where it is plain, or was never loaded."""

    def __init__(self, listener: "ListenerSettings") -> None:
        self._listener = listener
        self.context: ssl.SSLContext | None = None

    def load(self) -> None:
        """Read the files; raise `TlsError` and change nothing when that fails."""
        listener = self._listener
        if not is_tls(listener.url):
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A client must not make us compute as often as it likes on one connection.
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        try:
            # Never asks: a key with a passphrase would stop the gateway at its terminal.
            context.load_cert_chain(
                listener.cert_file, listener.key_file or None, password=_no_passphrase
            )
        except (OSError, ValueError) as error:
            what = f"cert_file {listener.cert_file} and key_file {listener.key_file}"
            raise TlsError(f"{what} cannot be used: {_why(error)}") from error
        if listener.certificate_login != OFF:
            is_required = listener.certificate_login == REQUIRED
            context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL
            try:
                context.load_verify_locations(cafile=listener.ca_file)
            except (OSError, ValueError) as error:
                what = f"ca_file {listener.ca_file}"
                raise TlsError(f"{what} cannot be used: {_why(error)}") from error
        self.context = context


def _no_passphrase() -> str:
    raise ValueError("the key needs a passphrase, which nobody is there to type")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is not in PEM format").lower().replace("_", " ")
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
