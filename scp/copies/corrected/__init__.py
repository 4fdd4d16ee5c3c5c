"""An instance as it is shown: with its corrections, in a transfer syntax that is taken."""

from scp.copies.corrected.corrected import FEW_AHEAD, AsCorrected, Copies, Copy, in_turn
from scp.copies.corrected.transcode import (
    GoneError,
    LimitError,
    Receiver,
    TranscodeError,
    deflated,
    inflated,
    reachable,
    transcode_file,
)

__all__ = [
    "FEW_AHEAD",
    "AsCorrected",
    "Copies",
    "Copy",
    "GoneError",
    "LimitError",
    "Receiver",
    "TranscodeError",
    "deflated",
    "in_turn",
    "inflated",
    "reachable",
    "transcode_file",
]
