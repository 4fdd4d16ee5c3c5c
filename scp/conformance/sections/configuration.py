"""The configuration in force: PS3.2 N.6."""

from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from scp.config import TABLES, Peer, Settings
from scp.conformance.writing import Section, StatementTable, address, literal, table, value

Row = tuple[str, str, str, str]


def sections(settings: Settings) -> tuple[Section, ...]:
    """PS3.2 N.6."""
    return (
        Section(1, "Configuration"),
        Section(
            2,
            "General configuration parameters",
            (
                "All of it is in one file, which is checked when it is read: at the start, and on "
                "SIGHUP.",
                table(("Key", "Takes", "Default", "In force"), _general(settings)),
            ),
        ),
        Section(2, "Configuration of DIMSE services"),
        Section(3, "Known peers", _peers(settings)),
    )


def _general(settings: Settings) -> list[Row]:
    rows: list[Row] = []
    for name, kind in TABLES.items():
        if kind is Peer:
            continue
        given = getattr(settings, name)
        if isinstance(given, tuple):  # an array of tables
            rows += _rules(name, kind, given)
            continue
        for key, field in kind.model_fields.items():
            held = value(getattr(given, key)) if isinstance(given, BaseModel) else "-"
            rows.append((f"[{name}] {key}", field.description or "", _default(field), held))
    return rows


def _rules(name: str, kind: type[BaseModel], given: tuple[BaseModel, ...]) -> list[Row]:
    """The keys of each of them; of none, the keys that one takes."""
    return [
        (
            f"[[{name}]] {number} {field.alias or key}"
            if one
            else f"[[{name}]] {field.alias or key}",
            field.description or "",
            _default(field),
            value(getattr(one, key)) if one else "-",
        )
        for number, one in enumerate(given or (None,), 1)
        for key, field in kind.model_fields.items()
    ]


def _default(field: FieldInfo) -> str:
    return "none" if field.is_required() else value(field.default)


def _peers(settings: Settings) -> tuple[str | StatementTable, ...]:
    if not settings.peers:
        return ("None.",)
    rows = [
        (
            literal(title),
            address(peer.host, peer.port) if peer.host else "-",
            value(peer.tls),
            value(peer.sources) if peer.sources else "any",
            value(peer.allow),
            _associations(settings, peer),
            str(peer.sends),
            peer.charset or settings.storage.charset,
        )
        for title, peer in settings.peers.items()
    ]
    headings = (
        "AE title", "Address", "TLS", "May call from", "May ask for", "Associations accepted",
        "Associations opened", "Text without a character set",
    )  # fmt: skip
    return (
        table(headings, rows),
        *(part for title, peer in settings.peers.items() for part in _differs(title, peer)),
    )


def _associations(settings: Settings, peer: Peer) -> str:
    most = peer.associations
    most = settings.limits.peer_associations if most is None else most
    return str(most or settings.limits.associations)


def _differs(title: str, peer: Peer) -> list[str]:
    """What is set for a peer beside what has a column, a sentence each."""
    found: dict[str, Any] = {
        "transfer syntaxes offered to it": peer.transfer_syntaxes or None,
        "Maximum PDU size as its requestor": peer.pdu_bytes,
        "seconds for its association": peer.acse_timeout,
        "seconds for its responses": peer.dimse_timeout,
        "name in its certificate": peer.tls_name,
    }
    return [
        f"`{literal(title)}`: {words}: {value(held)}."
        for words, held in found.items()
        if held is not None
    ]
