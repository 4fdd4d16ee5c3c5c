"""Instances with bytes that are others: a picture, or an error that has a status, and no other."""

import io
import random
import warnings

import numpy as np
import pytest
from support.data.kinds import MADE, file_of, image
from support.data.samples import samples

from scp.copies.conversion.data_set import TranscodeError
from scp.web.rendering import MEDIA_TYPES, Shown, encoded, viewing_of
from scp.web.request import status_of
from scp.web.retrieval.drawing import Drawing
from scp.web.retrieval.instances import HeldDataSet
from scp.web.retrieval.showable import Showable
from storage import Location
from storage.dicom import part10

_MOST_BYTES = 60_000
_ASKED = (
    {},
    {"window": "10,20,linear"},
    {"viewport": "10,10"},
    {"annotation": "patient,technique"},
)
_WORDS = (b"\0\0", b"\xff\xff", b"\1\0", b"\x20\0", b"\0\x40")


def seeds() -> list[bytes]:
    """Small ones that need no decoder, which has tests of its own."""
    ramp = np.arange(256, dtype="<u2").reshape(16, 16)
    with_tables = image("mutated", ramp, WindowCenter=["100", "1"], WindowWidth=["50", "2"])
    found = [one.path.read_bytes() for one in samples()
             if one.transfer_syntax_uid in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
             and one.path.stat().st_size < _MOST_BYTES]  # fmt: skip
    return [*found, *(MADE[name] for name in sorted(MADE)), file_of(with_tables)]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """With some bytes changed behind the head, put in, or taken out."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 10))):
        at = rng.randrange(min(400, len(made) // 2), min(len(made), 2500))
        change = rng.randrange(4)
        if change == 0:
            made[at] = rng.randrange(256)
        elif change == 1:
            made[at : at + 2] = rng.choice(_WORDS)
        elif change == 2:
            del made[at : at + rng.randrange(1, 9)]
        else:
            made[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(made)


def shown(data: bytes, asked: dict[str, str]) -> None:
    """Show it in each form that it has."""
    held = io.BytesIO(data)
    meta = part10.read(held)
    found = HeldDataSet(held, meta.data_set_offset, meta.transfer_syntax_uid)
    uids = ("1.2", "1.2.1", "1.2.1.1")
    syntax = meta.transfer_syntax_uid
    location = Location(uids, meta.sop_class_uid, syntax, len(data), "", "")
    one = Showable(location, syntax, found.scope())
    kinds = one.media_types
    if not set(kinds) & set(MEDIA_TYPES):
        for kind in kinds:
            length, chunks = one.body(kind)
            assert sum(map(len, chunks)) == length
        return
    drawing = Drawing(one.frames, Shown(one.scope), viewing_of(asked))
    drawing.warnings("image/png")
    encoded([drawing.picture(0)], "image/png", profile=drawing.profile)
    length, chunks = one.frames.body(0, is_native=not one.frames.is_encapsulated)
    assert sum(map(len, chunks)) == length


def tried(rng: random.Random, count: int) -> int:
    """How many of so many mutated ones have a picture; each of the others has a status."""
    whole, pictures = seeds(), 0
    for _ in range(count):
        data = mutated(rng.choice(whole), rng)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shown(data, rng.choice(_ASKED))
            pictures += 1
        except Exception as error:
            if status_of(error) is None:
                raise
    return pictures


def test_an_instance_with_other_bytes_is_shown_or_refused() -> None:
    assert tried(random.Random(20), 400) > 20


@pytest.mark.long
def test_many_instances_with_other_bytes_are_shown_or_refused() -> None:
    assert tried(random.Random(21), 20_000) > 1000


def test_what_is_no_form_of_a_number_is_none_of_a_picture() -> None:
    made = image("high", np.zeros((2, 2), "u1"))
    made.HighBit = 300
    with pytest.raises(TranscodeError, match="High Bit 300"):
        shown(file_of(made), {})
