"""Security: PS3.2 N.8."""

from scp.config import Settings, TlsProfile
from scp.conformance.writing import Part, Section, address, literal, table
from scp.network.tls import SUITES

_CLAUSES: dict[TlsProfile, str] = {
    "bcp195": "BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12)",
    "bcp195-modified": "Modified BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile "
    "(PS3.15 B.13)",
}


def sections(settings: Settings) -> tuple[Section, ...]:
    """PS3.2 N.8."""
    return (
        Section(1, "Security"),
        Section(
            2,
            "Introduction to security",
            (
                "Callers are known by AE title and address, and to TLS by their certificates. "
                "What is stored is not encrypted.",
            ),
        ),
        Section(
            2,
            "External network requirements",
            ("None: neither DNS (where peers have addresses), DHCP, LDAP nor NTP is asked for.",),
        ),
        Section(2, "TCP port configuration", (table(("Address", "What"), _ports(settings)),)),
        Section(2, "DICOM security profiles"),
        Section(3, "Secure transport", _transport(settings)),
        Section(3, "Other profiles", ("None.",)),
        Section(2, "User Identity Negotiation", (
            "As acceptor: accepted and not evaluated; no response is given. As initiator: not "
            "proposed.",
        )),
        Section(2, "Other security features"),
        Section(3, "Who may do what", (*_rights(settings), *_rights_of_web(settings))),
        Section(3, "Audit trail", (_audit(settings),)),
    )  # fmt: skip


def _ports(settings: Settings) -> list[tuple[str, str]]:
    node, tls, metrics = settings.node, settings.tls, settings.metrics
    own = address(node.host, node.port)
    rows = [(own, "DICOM over TLS" if tls and tls.port is None else "DICOM, not encrypted")]
    if tls and tls.port is not None:
        rows.append((address(node.host, tls.port), "DICOM over TLS"))
    if settings.web:
        kind = "HTTPS" if settings.web.tls else "HTTP"
        rows.append((address(settings.web.host, settings.web.port), f"DICOMweb, {kind}"))
    if metrics:
        rows.append((address(metrics.host, metrics.port), "metrics and health, HTTP"))
    return rows


def _transport(settings: Settings) -> tuple[Part, ...]:
    tls = settings.tls
    if tls is None:
        return ("None is configured: connections are not encrypted.",)
    caller = (
        "A caller has to show a certificate that is signed by the configured authorities."
        if tls.require_client
        else "A caller is asked for no certificate."
        if tls.ca is None
        else "A caller may show a certificate; one that it shows has to be signed by the "
        "configured authorities."
    )
    revoked = (
        "Certificates, of callers and of those that are called, are held to configured revocation "
        "lists (CRL, RFC 5280), with those of the authorities above them; where there is no valid "
        "list of the one that signed, the certificate is refused."
        if tls.crl
        else "Whether a certificate is revoked is not looked at."
    )
    return (
        f"{_CLAUSES[tls.profile]}, TLS 1.2 and 1.3. {caller} {revoked} OCSP is not used. "
        "Cipher suites of TLS 1.2, the preferred first:",
        table(("Suite",), ((suite,) for suite in SUITES[tls.profile])),
    )


def _rights(settings: Settings) -> tuple[str, ...]:
    access = settings.access
    called = (
        "Any called AE title is taken."
        if access.any_called_title
        else f"A caller has to name `{literal(settings.node.ae_title)}` as the called AE title."
    )
    calling = (
        "Any AE title may call, from anywhere; one that is configured from its addresses, and for "
        "what it is allowed."
        if access.any_peer
        else "Only AE titles that are configured may call, from their addresses, and for what "
        "they are allowed."
    )
    return (f'{called} {calling} The configured ones are under "Known peers".',)


_PROOFS = {
    "none": "Nothing is asked of who asks by DICOM Web Services.",
    "basic": "Who asks by DICOM Web Services proves it by HTTP Basic authentication (RFC 7617), or "
    "by a bearer token (RFC 6750).",
    "token": "Who asks by DICOM Web Services proves it by a bearer token (RFC 6750).",
    "proxy": "Who asks by DICOM Web Services is named by a trusted proxy, in a header.",
}


def _rights_of_web(settings: Settings) -> tuple[str, ...]:
    web = settings.web
    if web is None:
        return ()
    secure = (
        "over TLS" if web.tls else "unencrypted, from the same machine or a trusted proxy alone"
    )
    rights = (
        f" It is taken {secure}. Of each user is configured whether it may search, retrieve and "
        "store."
    )
    return (_PROOFS[web.auth] + (rights if web.auth != "none" else ""),)


def _audit(settings: Settings) -> str:
    if not settings.audit.enabled:
        return "Switched off."
    return (
        "Each association, service and refusal is written down as a line of JSON in a file of the "
        f"node's; {settings.audit.files} files of {settings.audit.file_bytes} bytes are kept. "
        "Values that a peer has chosen are cut where they are long, and say so. "
        "There is no Audit Trail Message Format profile."
    )
