"""What a frame shows, by the decoders of the node."""

from scp.copies.conversion.codecs import Decoded, Image
from scp.copies.conversion.data_set import TranscodeError
from scp.copies.conversion.pixels import decode


def decoded(image: Image, frame: bytes) -> tuple[Decoded, bytes] | str:
    """What the samples of a frame are, and them; or why there are none."""
    try:
        return decode(image, frame)
    except TranscodeError as error:
        return str(error)
