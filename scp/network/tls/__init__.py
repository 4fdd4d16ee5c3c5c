"""TLS: contexts, certificates, revocation, and faults in words (PS3.15 annex B)."""

from scp.network.tls import certificates
from scp.network.tls.faults import TlsError, printable, words_of
from scp.network.tls.tls_contexts import SUITES, Contexts, contexts, web_context

__all__ = [
    "SUITES",
    "Contexts",
    "TlsError",
    "certificates",
    "contexts",
    "printable",
    "web_context",
    "words_of",
]
