"""Headers that are alike: what is not read again is what it was, and all else is read."""

import random
import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from support import EXPLICIT, IMPLICIT, samples
from support.network.raw import ex, im

from storage.dicom import instance_header
from storage.dicom.data_sets import AlikeDataSets, UnusualError, alike
from storage.dicom.data_sets.reader import ordinary_form
from storage.dicom.instance_header import _WANTED, Header

LAST = int(instance_header._LAST_TAG)
# pydicom guesses, and says so, at character sets that are none.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
PIXELS = ex(0x7FE00010, "OW", bytes(16))
REQUESTS = 0x00400275


def header(data: bytes, syntax: str = EXPLICIT, charset: str = "ISO_IR 100") -> Any:
    """What is read of a data set behind others, or why it is not."""
    try:
        return instance_header.header(BytesIO(data), syntax, charset).values
    except Exception as error:
        return type(error), str(error)


def forget() -> None:
    instance_header._last.alike, instance_header._last.misses = None, 0


def read_alone(data: bytes, syntax: str = EXPLICIT, charset: str = "ISO_IR 100") -> Any:
    """What is read where nothing came before; what came before stays for the next one."""
    held = vars(instance_header._last).copy()
    forget()
    found = header(data, syntax, charset)
    vars(instance_header._last).update(held)
    return found


def data_set(number: int, *more: bytes, charset: bytes = b"ISO_IR 100") -> bytes:
    """An image of a series; `more` lies in front of its pixels, in the order of tags."""
    return (
        ex(0x00080005, "CS", charset)
        + ex(0x00080016, "UI", b"1.2\0")
        + ex(0x00080018, "UI", f"1.3.{number}".encode())
        + ex(0x00080033, "TM", f"10{number:04}.5".encode())
        + ex(0x00080060, "CS", b"CT")
        + ex(0x00100010, "PN", b"M\xfcller^Jane")
        + ex(0x00100020, "LO", b"P1")
        + ex(0x0020000D, "UI", b"1.1\0")
        + ex(0x0020000E, "UI", b"1.2\0")
        + ex(0x00200013, "IS", str(number).encode())
        + b"".join(more)
        + PIXELS
    )


@pytest.fixture
def hits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Of each header that was read behind another: whether only what differs was."""
    found: list[bool] = []
    real = AlikeDataSets.differing

    def differing(self: AlikeDataSets, data: bytes) -> Any:
        result = real(self, data)
        found.append(result is not None)
        return result

    monkeypatch.setattr(AlikeDataSets, "differing", differing)
    forget()
    yield found
    forget()


def test_of_the_images_of_a_series_only_what_differs_is_read(hits: list[bool]) -> None:
    for number in range(1, 30):  # the numbers get longer
        values = header(data_set(number))
        assert values["SOPInstanceUID"] == f"1.3.{number}"
        assert values["InstanceNumber"] == str(number)
        assert values["PatientName"] == "Müller^Jane"
    assert hits == [False] + [True] * 27


OTHERS: dict[str, Callable[[], bytes]] = {
    "another patient": lambda: data_set(3).replace(b"ller^Jane", b"ller^Joan"),
    "an element more": lambda: data_set(3, us(0x00280010)),
    "an element less": lambda: data_set(3).replace(ex(0x00080060, "CS", b"CT"), b""),
    "another character set": lambda: data_set(3, charset=b"ISO_IR 101"),
    "one that is longer": lambda: data_set(3, charset=b"ISO 2022 IR 6\\ISO 2022 IR 87"),
    "another VR": lambda: data_set(3).replace(b"\x20\0\x13\0IS", b"\x20\0\x13\0LO"),
    "an unknown VR": lambda: data_set(3).replace(b"\x20\0\x13\0IS", b"\x20\0\x13\0XX"),
    "a length beyond the end": lambda: data_set(3).replace(
        b"\x20\0\x13\0IS\1\0", b"\x20\0\x13\0IS\xf0\xff"
    ),
    "cut short in what differs": lambda: data_set(3)[: data_set(3).index(b"1.3.3") + 2],
    "cut short in what is alike": lambda: data_set(3)[:40],
    "cut short behind it": lambda: data_set(3)[: -len(PIXELS)],
    "cut short in the next head": lambda: data_set(3)[: 5 - len(PIXELS)],
    "something else behind it": lambda: data_set(3)[: -len(PIXELS)] + us(0x00280011) + PIXELS,
    "nothing": lambda: b"",
}


def us(tag: int) -> bytes:
    return ex(tag, "US", struct.pack("<H", 512))


@pytest.mark.parametrize("what", OTHERS)
def test_one_that_is_otherwise_is_read_as_if_it_came_alone(what: str, hits: list[bool]) -> None:
    expected = read_alone(OTHERS[what]())
    for number in (1, 2):
        header(data_set(number))
    assert header(OTHERS[what]()) == expected
    assert len(hits) == 2


def test_what_differs_in_a_sequence_is_read(hits: list[bool]) -> None:
    def made(number: int) -> bytes:
        step = ex(0x00400009, "SH", f"S{number}".encode())
        item = im(0xFFFEE000, step + ex(0x00401001, "SH", b"P1"), 0xFFFFFFFF) + im(0xFFFEE00D, b"")
        end = im(0xFFFEE0DD, b"")
        return data_set(number, ex(REQUESTS, "SQ", item * (number % 3), 0xFFFFFFFF) + end)

    for number in range(1, 12):
        found = header(made(number))
        assert found == read_alone(made(number))
    assert hits[-3:] == [True] * 3


def test_another_form_or_default_character_set_is_another(hits: list[bool]) -> None:
    plain = data_set(3).replace(ex(0x00080005, "CS", b"ISO_IR 100"), b"")
    for _ in range(2):
        assert header(plain)["PatientName"] == "Müller^Jane"
    assert header(plain, charset="ISO_IR 101") == read_alone(plain, charset="ISO_IR 101")
    assert header(plain, IMPLICIT) == read_alone(plain, IMPLICIT)


@pytest.mark.parametrize("seed", range(4))
def test_samples_changed_anywhere_are_read_as_if_each_came_alone(seed: int) -> None:
    """Each some times in a row, with bytes changed in its header, as a hostile sender might."""
    chance = random.Random(seed)
    ordinary = [s for s in samples() if ordinary_form(s.transfer_syntax_uid) is not None]
    for _ in range(40):
        sample = chance.choice(ordinary)
        syntax, data = sample.transfer_syntax_uid, sample.data_set[:6000]
        forget()
        for changed in [data, *(changed_in_places(chance, data) for _ in range(5))]:
            found = header(changed, syntax)
            assert found == read_alone(changed, syntax), (sample.name, changed.hex())


def changed_in_places(chance: random.Random, data: bytes) -> bytes:
    held = bytearray(data)
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(min(len(held), 1200))
        if chance.random() < 0.7:
            held[at] = chance.randrange(256)
        elif chance.random() < 0.5:
            held[at:at] = chance.randbytes(2)
        else:
            del held[at : at + 2]
    return bytes(held)


def test_a_long_header_is_not_kept() -> None:
    long = data_set(1, ex(0x00204000, "LT", b"x" * alike._MOST_BYTES))
    with pytest.raises(UnusualError):
        AlikeDataSets(long, False, _WANTED, LAST)


def test_a_header_is_its_own() -> None:
    forget()
    first, second = (header(data_set(number)) for number in (1, 2))
    third = header(data_set(3))
    assert [v["SOPInstanceUID"] for v in (first, second, third)] == ["1.3.1", "1.3.2", "1.3.3"]
    assert isinstance(Header(third).uids, tuple)
