"""The sections of PS3.2 annex N, in their order."""

from scp.config import Settings
from scp.conformance.sections import (
    configuration,
    network,
    overview,
    security,
    services,
    statuses,
)
from scp.conformance.writing import StatementDocument, literal


def conformance_statement(settings: Settings) -> StatementDocument:
    """The statement of a node with these settings."""
    return StatementDocument(
        f"DICOM Conformance Statement of minipacs as {literal(settings.node.ae_title)}",
        (
            *overview.overview(settings),
            *services.sections(settings),
            *configuration.sections(settings),
            *network.sections(settings),
            *statuses.sections(settings),
            *security.sections(settings),
        ),
    )
