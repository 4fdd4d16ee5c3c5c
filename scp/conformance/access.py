"""What the statement says of associations, security and configuration."""

from pydantic import BaseModel

from scp import peers
from scp.conformance.document import Section, Table, table
from scp.settings import CHARSETS, TABLES, Service, Settings
from scp.tls import SUITES
from storage.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


def network_sections(settings: Settings) -> tuple[Section, ...]:
    """Associations."""
    limits = settings.limits
    rows = (
        ("Application context", "1.2.840.10008.3.1.1.1"),
        ("Implementation Class UID", IMPLEMENTATION_CLASS_UID),
        ("Implementation Version Name", IMPLEMENTATION_VERSION_NAME),
        ("Maximum PDU size received", f"{limits.pdu_bytes} bytes"),
        ("Associations accepted at once", limits.associations),
        ("of these from one caller", limits.peer_associations or "no limit of its own"),
        ("Associations opened at once", "as many as retrieves ask for"),
        ("Asynchronous operations", "none: one outstanding operation"),
        ("User identity", "accepted and not evaluated"),
        ("Timeout of association requests and releases", f"{limits.acse_timeout:g} s"),
        ("Timeout of messages", f"{limits.dimse_timeout:g} s"),
        ("Timeout of silent connections", f"{limits.network_timeout:g} s"),
    )
    return (
        Section(1, "Network communication details"),
        Section(2, "Associations", (table(("What", "Value"), rows),)),
        Section(
            2,
            "Rejected associations",
            (table(("Result", "Source", "Reason", "When"), _rejections()),),
        ),
        Section(
            2,
            "Character sets",
            (
                "Stored, matched and answered in these, with code extensions (PS3.5 6.1):",
                ", ".join(sorted(CHARSETS)),
            ),
        ),
    )


def _rejections() -> list[tuple[str, str, str, str]]:
    words = {
        peers.application_context_not_supported: "the application context is not DICOM's",
        peers.called_not_recognized: "the called AE title is not the node's",
        peers.calling_not_recognized: "the caller is not configured, or calls from elsewhere",
        peers.local_limit_exceeded: "too many associations are open",
    }
    rows = []
    for make, when in words.items():
        one = make(when)
        rows.append((str(one.result), str(one.source), str(one.reason), when))
    return rows


def security_sections(settings: Settings) -> tuple[Section, ...]:
    """Security."""
    return (
        Section(1, "Security"),
        Section(2, "Secure transport", _transport(settings)),
        Section(2, "Who may do what", _rights(settings)),
        Section(
            2,
            "Audit trail",
            (
                "Each association, service and refusal is written down as a line of JSON in a file "
                "of the node's; there is no Audit Trail Message Format profile."
                if settings.audit.enabled
                else "Switched off.",
            ),
        ),
    )


def _transport(settings: Settings) -> tuple[str | Table, ...]:
    tls = settings.tls
    if tls is None:
        return ("None is configured: connections are not encrypted.",)
    clause = {"bcp195": "PS3.15 B.12", "bcp195-modified": "PS3.15 B.13"}[tls.profile]
    port = f"on port {tls.port}" if tls.port is not None else "on the node's one port"
    caller = "has to show" if tls.require_client else "may show"
    return (
        f"TLS 1.2 and 1.3 {port}, by the profile {tls.profile} ({clause}). A caller {caller} a "
        "certificate. Cipher suites of TLS 1.2:",
        table(("Suite",), ((suite,) for suite in SUITES[tls.profile])),
    )


def _rights(settings: Settings) -> tuple[str | Table, ...]:
    access = settings.access
    called = "Any called AE title is taken." if access.any_called_title else (
        f"A caller has to name {settings.node.ae_title}."
    )  # fmt: skip
    calling = "Any AE title may call." if access.any_peer else "Only these AE titles may call:"
    rows = [
        (
            title,
            ", ".join(str(network) for network in peer.sources) or "any",
            ", ".join(service for service in Service if service in peer.allow) or "none",
        )
        for title, peer in settings.peers.items()
    ]
    denied = (
        "The presentation contexts of a service that is denied are refused; a C-STORE or C-MOVE "
        "request all the same is answered 0124."
    )
    parts: tuple[str | Table, ...] = (f"{called} {calling}", denied)
    return (*parts, table(("AE title", "From", "Services"), rows)) if rows else parts


def configuration_sections(settings: Settings) -> tuple[Section, ...]:
    """Configuration."""
    rows = []
    for name in TABLES:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            rows += [(f"[{name}] {key}", getattr(value, key)) for key in type(value).model_fields]
    return (
        Section(
            1,
            "Configuration",
            (
                "All of it is in one file, config.toml, checked when it is read. In force:",
                table(("Key", "Value"), rows),
            ),
        ),
    )
