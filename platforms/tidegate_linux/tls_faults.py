"""Why TLS with a broker or a hub failed, as one sentence for the operator; never a secret in it."""

import ssl

# OpenSSL's X509_V_ERR_*.
_CERTIFICATES = {
    9: "is not valid yet: is the clock of this machine right?",
    10: "has expired, or the clock of this machine is wrong",
    18: "is self-signed: name it in {table}ca_file to trust it",
    19: "is signed by a root that is not trusted: name that root in {table}ca_file",
    20: "is signed by an authority that is not trusted: name its root in {table}ca_file",
    21: "is signed by an authority that is not trusted: name its root in {table}ca_file",
    23: "has been revoked",
    62: "does not name the host of the url",
    64: "does not name the address of the url",
}
_NO_TLS = "does not speak TLS on this port: use its TLS port, or {plain}"
_WANTS_CERTIFICATE = "wants a client certificate: set {table}cert_file and {table}key_file"
BROKEN_OFF = "broke off the TLS handshake: does it speak TLS on this port?"
_HANDSHAKES = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _WANTS_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "found no common TLS parameters, or " + _WANTS_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": "does not trust the authority that signed the client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "does not accept the client certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "does not accept the client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "says that the client certificate has expired",
    "TLSV1_ALERT_PROTOCOL_VERSION": "does not speak TLS 1.2 or newer",
    "UNSUPPORTED_PROTOCOL": "does not speak TLS 1.2 or newer",
    "UNEXPECTED_EOF_WHILE_READING": BROKEN_OFF,
}


def explain_tls(error: ssl.SSLError, peer: str, plain: str, table: str = "") -> str:
    """Say why TLS with `peer`, as in "the broker", failed.

    `plain` is the scheme without TLS, as in "mqtt://"; `table` stands before the names of keys.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _CERTIFICATES.get(error.verify_code)
        if why is None:
            return f"{peer}'s certificate was not accepted: {error.verify_message}"
        return f"{peer}'s certificate {why.format(table=table)}"
    reason = error.reason or "unknown"
    why = _HANDSHAKES.get(reason)
    if why is None:
        return f"{peer} failed in TLS: {reason.lower()}"
    return f"{peer} {why.format(table=table, plain=plain)}"
