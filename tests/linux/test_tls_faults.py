"""What kept TLS from coming about is told in the words of the configuration."""

import ssl

from tidegate_linux.tls_faults import explain_tls


def refused(code, message=""):
    """Return what OpenSSL raises for a certificate it does not accept."""
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    error.verify_message = message
    return error


def broken(reason):
    """Return what OpenSSL raises when a handshake fails."""
    error = ssl.SSLError()
    error.reason = reason
    return error


def test_keys_are_named_as_they_stand_in_the_file():
    for error, expected in (
        (refused(18), "is self-signed: name it in {}ca_file to trust it"),
        (broken("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "set {}cert_file and {}key_file"),
    ):
        of_source = explain_tls(error, "the broker", "mqtt://")
        assert expected.replace("{}", "") in of_source
        of_uplink = explain_tls(error, "the hub", "http://", "uplink.")
        assert expected.replace("{}", "uplink.") in of_uplink


def test_a_port_without_tls_is_told_with_the_scheme_that_fits():
    error = broken("WRONG_VERSION_NUMBER")
    assert explain_tls(error, "the hub", "http://").endswith("use its TLS port, or http://")
    assert explain_tls(error, "the broker", "mqtt://").endswith("use its TLS port, or mqtt://")


def test_what_openssl_says_is_passed_on_where_we_know_no_better():
    # With braces, which a careless format would take for its own.
    assert explain_tls(refused(99, "odd {x}"), "the hub", "http://") == (
        "the hub's certificate was not accepted: odd {x}"
    )
    assert explain_tls(broken("ODD"), "the hub", "http://") == "the hub failed in TLS: odd"
    assert explain_tls(broken(None), "the hub", "http://") == "the hub failed in TLS: unknown"
