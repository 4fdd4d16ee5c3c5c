"""What a frame shows, by the decoders of the node."""

from scp.conversion.decode import decode
from scp.conversion.errors import TranscodeError
from scp.conversion.image import Decoded, Image


def decoded(image: Image, frame: bytes) -> tuple[Decoded, bytes] | str:
    """What the samples of a frame are, and them; or why there are none."""
    try:
        return decode(image, frame)
    except TranscodeError as error:
        return str(error)
