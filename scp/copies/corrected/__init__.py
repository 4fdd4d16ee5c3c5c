"""An instance as it is shown: with its corrections, in a transfer syntax that is taken."""

from scp.copies.corrected.corrected import AsCorrected, Copies, Copy
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
    "AsCorrected",
    "Copies",
    "Copy",
    "GoneError",
    "LimitError",
    "Receiver",
    "TranscodeError",
    "deflated",
    "inflated",
    "reachable",
    "transcode_file",
]
