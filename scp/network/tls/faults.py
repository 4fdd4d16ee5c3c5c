"""Why TLS fails with a peer, in words for an administrator: OpenSSL's reasons as a table."""

import ssl

_SHOWS = "shows a certificate that"
_TRUSTS_NOT = "does not trust our certificate"
_NO_TLS = "speaks no TLS"
_OLD = "offers no version of TLS from 1.2 on"
_NO_COMMON = "has no version or cipher suite of TLS in common with [tls] profile"
_NO_KIND = "takes no certificate or key of the kind of ours"
# Goes on with what is wrong with the list.
_LIST_OF = "whose revocation list in [tls] crl"

# X509_verify_cert's codes, <openssl/x509_vfy.h>.
_VERIFY = {
    3: "an authority signed of which [tls] crl has no revocation list",
    8: f"an authority signed {_LIST_OF} has a wrong signature",
    9: "is not yet valid",
    10: "has expired",
    11: f"an authority signed {_LIST_OF} is not yet valid",
    12: f"an authority signed {_LIST_OF} has expired",
    18: "no authority of [tls] ca signed",
    19: "no authority of [tls] ca signed",
    20: "no authority of [tls] ca signed",
    21: "no authority of [tls] ca signed",
    23: "is revoked, by a list of [tls] crl",
    24: "a certificate signed that is no authority's",
    26: "is for another purpose",
    33: f"an authority signed {_LIST_OF} another signed",
    35: f"an authority signed {_LIST_OF} it may not sign",
    36: f"an authority signed {_LIST_OF} has extensions that are not understood",
    44: f"an authority signed {_LIST_OF} is of other certificates",
    62: "is for another name",
    64: "is for another address",
    66: "has too short a key",
    67: "an authority with too short a key signed",
    68: "is signed with too weak a digest",
}

# ssl.SSLError.reason; the alerts are what the peer says (RFC 8446 6.2).
_REASONS = {
    "BAD_RECORD_TYPE": _NO_TLS,
    "BAD_VERSION_NUMBER": _NO_TLS,
    "HTTP_REQUEST": "speaks HTTP, no TLS",
    "HTTPS_PROXY_REQUEST": "speaks HTTP, no TLS",
    "LENGTH_MISMATCH": _NO_TLS,
    "LENGTH_TOO_SHORT": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "RECORD_TOO_SMALL": _NO_TLS,
    "UNEXPECTED_MESSAGE": _NO_TLS,
    "UNEXPECTED_RECORD": _NO_TLS,
    "UNKNOWN_PROTOCOL": _NO_TLS,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD,
    "VERSION_TOO_LOW": _OLD,
    "WRONG_SSL_VERSION": _OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": "takes no version of TLS from 1.2 on",
    "NO_SHARED_CIPHER": "offers no cipher suite of [tls] profile",
    "NO_CIPHERS_AVAILABLE": "offers no cipher suite of [tls] profile",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": _NO_COMMON,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _NO_COMMON,
    "NO_SHARED_GROUP": _NO_KIND,
    "NO_SHARED_GROUPS": _NO_KIND,
    "NO_SHARED_SIGNATURE_ALGORITHMS": _NO_KIND,
    "NO_SUITABLE_GROUPS": _NO_KIND,
    "NO_SUITABLE_KEY_SHARE": _NO_KIND,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": _NO_KIND,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "shows no certificate, as [tls] require_client asks",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "asks for a certificate, and [tls] has none",
    "TLSV1_ALERT_UNKNOWN_CA": f"{_TRUSTS_NOT}: it knows no authority that signed it",
    "SSLV3_ALERT_BAD_CERTIFICATE": _TRUSTS_NOT,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _TRUSTS_NOT,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": f"{_TRUSTS_NOT}: it has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": f"{_TRUSTS_NOT}: it is revoked",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": f"{_TRUSTS_NOT}: it is of another kind or purpose",
    "SSLV3_ALERT_NO_CERTIFICATE": "has no certificate",
    "TLSV1_ALERT_ACCESS_DENIED": "denies access to the holder of our certificate",
    "TLSV1_ALERT_DECRYPT_ERROR": f"{_TRUSTS_NOT}: it finds a signature wrong",
    "TLSV1_ALERT_USER_CANCELLED": "breaks off the TLS handshake",
    "TLSV1_UNRECOGNIZED_NAME": "has no certificate for the name that we call",
    "UNEXPECTED_EOF_WHILE_READING": "ends the connection in the TLS handshake",
    # Of our own files.
    "KEY_VALUES_MISMATCH": "the key is not that of the certificate",
    "KEY_TYPE_MISMATCH": "the key is not that of the certificate",
    "NO_CERTIFICATE_OR_CRL_FOUND": "no certificate in it",
    "EE_KEY_TOO_SMALL": "the key of the certificate is too short",
    "CA_MD_TOO_WEAK": "the certificate is signed with too weak a digest",
}


class TlsError(OSError):
    """There is no TLS with a peer that is called; the text goes on behind its name."""


def words_of(error: OSError) -> str:
    """What is wrong, as said of the peer or the file that `error` is about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _VERIFY.get(error.verify_code)
        return f"{_SHOWS} {known}" if known else f"{_SHOWS} is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError | ConnectionError):
        return "ends the connection in the TLS handshake"
    if isinstance(error, TimeoutError):
        return "does not answer the TLS handshake"
    if isinstance(error, ssl.SSLError) and error.reason is None and "PEM" in str(error):
        return "not a PEM file of that kind, or a damaged one"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "no reason given"
        return _REASONS.get(reason) or f"fails at TLS: {reason.lower().replace('_', ' ')}"
    return error.strerror or str(error)


def printable(text: str) -> str:
    """`text` on one line: who made a certificate may have written anything into it."""
    return "".join(c if c.isprintable() else "?" for c in text)
