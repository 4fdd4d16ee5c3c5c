"""What the codestream of a frame says of itself, and whether it is whole."""

from dataclasses import dataclass

RGB, YBR = "RGB", "YBR"


class DamagedError(Exception):
    """A frame that is not what it should be: says why."""


@dataclass(frozen=True)
class Stream:
    """The header of a codestream.

    `colour` is that of the decoded samples, where the stream tells. `is_lossy` is None where it
    cannot be seen. `is_discrete_cosine` marks the JPEG processes made for YBR.
    """

    rows: int
    columns: int
    samples: int
    precision: int
    is_lossy: bool | None
    colour: str = ""
    is_discrete_cosine: bool = False
    is_near_lossless: bool = False
    process: int = 0  # of JPEG and JPEG-LS: the marker of the frame header
    selection: int = 0  # of lossless JPEG: the predictor
