"""Bodies of several parts, written and read."""

import random
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from io import BytesIO
from pathlib import Path

import pytest

from scp.web.media.errors import CutShortError, MultipartError
from scp.web.media.multipart import FileRange, Multipart, Part
from scp.web.media.parts import IncomingMultipart, parts_of

KIND = 'multipart/related; type="application/dicom"; boundary=b'


class Trickling:
    """A body that comes a few bytes at a time."""

    def __init__(self, data: bytes, most: int, seed: int = 1) -> None:
        self._file, self._most, self._random = BytesIO(data), most, random.Random(seed)

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(self._random.randint(1, self._most), size))


def read(
    data: bytes, kind: str = KIND, most: int = 1 << 20, seed: int = 1
) -> list[tuple[dict[str, str], bytes]]:
    """The parts of a body."""
    parts = parts_of(Trickling(data, most, seed), kind)
    return [(dict(part.headers), b"".join(part.chunks)) for part in parts]


def bodies(data: bytes, kind: str = KIND, most: int = 1 << 20) -> list[bytes]:
    return [body for _, body in read(data, kind, most)]


# ---- written


def test_what_is_written_is_read_back_by_another_program_too(tmp_path: Path) -> None:
    path = tmp_path / "held"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        parts = [
            Part({"Content-Type": "a/b", "Content-Location": "http://x/1"}, b"one"),
            Part({}, FileRange(file, 2, 5)),
            Part({"Content-Type": "a/b"}, [b"th", b"", b"ree"]),
            Part({}, b""),
        ]
        body = Multipart("a/b")
        data = b"".join(body.chunks(parts))
    assert bodies(data, body.content_type) == [b"one", b"23456", b"three", b""]
    message = message_from_bytes(f"Content-Type: {body.content_type}\n\n".encode() + data)
    held = message.get_payload()
    assert isinstance(held, list)
    assert [one.get_payload() for one in held] == ["one", "23456", "three", ""]
    lengths = [(part.headers, size) for part, size in zip(parts, (3, 5, 5, 0), strict=True)]
    assert body.length(lengths) == len(data)


def test_a_body_without_parts() -> None:
    body = Multipart("a/b", "B")
    assert b"".join(body.chunks([])) == b"--B--\r\n"
    assert body.length([]) == 7
    assert bodies(b"--B--\r\n", body.content_type) == []


def test_files_are_left_to_who_can_send_them_and_opened_one_at_a_time(tmp_path: Path) -> None:
    opened = []

    def parts() -> Iterator[Part]:
        for number in range(3):
            path = tmp_path / str(number)
            path.write_bytes(b"x" * 10)
            with path.open("rb") as file:
                opened.append(file)
                yield Part({}, FileRange(file, 0, 10))

    pieces = Multipart("a/b").pieces(parts())
    ranges = [(one, sum(not f.closed for f in opened)) for one in pieces
              if isinstance(one, FileRange)]  # fmt: skip
    assert [count for _, count in ranges] == [1, 1, 1]


def test_a_file_that_is_shorter_than_it_was_is_no_whole_body() -> None:
    with pytest.raises(CutShortError, match="5 bytes before"):
        list(Multipart("a/b").chunks([Part({}, FileRange(BytesIO(b"x" * 5), 0, 10))]))


def test_a_header_cannot_end_itself() -> None:
    data = b"".join(Multipart("a/b", "b").chunks([Part({"A": "x\r\nB: y"}, b"")]))
    assert read(data) == [({"a": "x B: y"}, b"")]


def test_boundaries_are_of_128_random_bits() -> None:
    made = {Multipart("a/b").boundary for _ in range(100)}
    assert len(made) == 100
    assert {len(one) for one in made} == {32}


# ---- read


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"--b\r\nA: x\r\n\r\none\r\n--b--\r\n", [b"one"]),
        (b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--", [b"one", b"two"]),
        # Preamble, epilogue, blanks behind a boundary (RFC 2046 5.1.1).
        (b"before\r\n--b \t \r\n\r\none\r\n--b--  \r\nbehind\r\n--b\r\n", [b"one"]),
        (b"\r\n--b\r\n\r\none\r\n--b--\n", [b"one"]),
        # Empty ones.
        (b"--b\r\nA: x\r\n\r\n\r\n--b--", [b""]),
        (b"--b\r\nA: x\r\n\r\n--b--", [b""]),
        (b"--b\r\n\r\n--b--", [b""]),
        (b"--b\r\n\r\n\r\n\r\n--b--", [b"\r\n"]),
        # Bytes of a boundary in a part that are none.
        (b"--b\r\n\r\nx--b\r\n--\r\n--c\r\n--bc\r\n--b-\r\n--b--x\r\n-\r\n--b--",
         [b"x--b\r\n--\r\n--c\r\n--bc\r\n--b-\r\n--b--x\r\n-"]),
        (b"--b\r\n\r\n\r\r\n\r\n--b\r\n\r\n--\r\n--b--", [b"\r\r\n", b"--"]),
        (b"--b\r\n\r\none\n--b\ntwo\r\n--b--", [b"one\n--b\ntwo"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("most", [1, 2, 7, 1 << 20])
def test_bodies(data: bytes, expected: list[bytes], most: int) -> None:
    assert bodies(data, most=most) == expected


def test_headers() -> None:
    data = (
        b'--b\r\nContent-Type: application/dicom;\r\n transfer-syntax="1.2"\r\nX:\r\n\r\n\r\n--b--'
    )
    (part,) = parts_of(BytesIO(data), KIND)
    assert part.headers == {
        "content-type": 'application/dicom; transfer-syntax="1.2"', "x": "",
    }  # fmt: skip
    assert part.content_type.media_type == "application/dicom"
    assert part.content_type.transfer_syntax == "1.2"


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        ("multipart/related; boundary=b", "b"),
        ('Multipart/Related; Boundary="b c"; start="<x@y>"', "b c"),
        ('multipart/related; type=application/dicom; boundary="=_a;b,c"', "=_a;b,c"),
        ("multipart/related;boundary=----=_Part_0.1@x", "----=_Part_0.1@x"),
    ],
)
def test_the_boundary_of_a_content_type(kind: str, boundary: str) -> None:
    found = IncomingMultipart.of(kind)
    assert found.boundary == boundary
    data = f"--{boundary}\r\n\r\none\r\n--{boundary}--".encode()
    assert bodies(data, kind) == [b"one"]


def test_the_root_is_named_by_start() -> None:
    found = IncomingMultipart.of('multipart/related; type="a/B"; start="<x@y>"; boundary=b')
    assert (found.start, found.media_type) == ("<x@y>", "a/b")


@pytest.mark.parametrize(
    "kind",
    ["", "multipart/related", "multipart/related; boundary=", 'multipart/related; boundary=" "',
     "application/dicom; boundary=b", "multipart/form-data; boundary=b",
     "multipart/related; boundary=" + 201 * "b", 'multipart/related; boundary="b\r\nc"'],
)  # fmt: skip
def test_another_content_type_is_refused(kind: str) -> None:
    with pytest.raises(MultipartError, match="Content-Type"):
        parts_of(BytesIO(b""), kind)


WHOLE = b"--b\r\nA: x\r\n\r\none\r\n--b\r\nA: y\r\n\r\ntwo\r\n--b--"


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_a_body_that_is_cut_short_anywhere_says_so(size: int) -> None:
    with pytest.raises(CutShortError):
        read(WHOLE[:size])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"x" * 100_000, "no boundary"),
        (b"--b\r\nA: " + b"x" * 20_000 + b"\r\n\r\n\r\n--b--", "headers have more"),
        (b"--b\r\n" + b"A: x\r\n" * 10_000 + b"\r\n\r\n--b--", "headers have more"),
        (b"--b\r\n" + b"x" * 300_000, "headers have more"),
        (b"--b\r\nnone\r\n\r\n\r\n--b--", "a header that is none: 'none'"),
        (b"--b\r\n: x\r\n\r\n\r\n--b--", "a header that is none"),
        (b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n\r\n--b--", "takes binary"),
    ],
)
def test_what_is_no_body_of_parts_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(MultipartError, match=words):
        read(data)


def test_parts_without_end_are_refused() -> None:
    with pytest.raises(MultipartError, match="more than 100000 parts"):
        for _ in parts_of(BytesIO(b"--b\r\n\r\n\r\n" * 100_001), KIND):
            pass


def test_a_part_is_read_whole_to_a_limit() -> None:
    data = b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--"
    first, *_ = list_of_reads(data, 3)
    assert first == b"one"
    with pytest.raises(MultipartError, match="more than 2 bytes"):
        list_of_reads(data, 2)


def list_of_reads(data: bytes, most: int) -> list[bytes]:
    return [part.read(most) for part in parts_of(BytesIO(data), KIND)]


def test_a_part_that_nobody_reads_is_passed_over() -> None:
    parts = parts_of(Trickling(WHOLE, 3), KIND)
    assert [part.headers["a"] for part in parts] == ["x", "y"]


def test_a_large_part_comes_in_pieces() -> None:
    size = 64 << 20

    class Zeros:
        """A body that was never held whole."""

        left = size
        head, end = [b"--b\r\n\r\n"], [b"", b"\r\n--b--"]

        def read(self, count: int = -1, /) -> bytes:
            if self.head:
                return self.head.pop()
            step = min(count, self.left)
            self.left -= step
            return bytes(step) if step else self.end.pop() if self.end else b""

    (sizes,) = ([len(c) for c in part.chunks] for part in parts_of(Zeros(), KIND))
    assert sum(sizes) == size
    assert max(sizes) <= 1 << 19


def pieces_of(noise: random.Random) -> Iterable[bytes]:
    """What is taken for a boundary easily."""
    for _ in range(noise.randint(0, 30)):
        yield noise.choice([b"\r", b"\n", b"-", b"--", b"b", b"\r\n--", b"\r\n--b", b"x", b"\r\n"])
    yield b"."


def test_parts_full_of_what_looks_like_a_boundary() -> None:
    for seed in range(300):
        _read_noise(seed)


def _read_noise(seed: int) -> None:
    noise = random.Random(seed)
    held = [b"".join(pieces_of(noise)) for _ in range(noise.randint(0, 4))]
    # What is one by the rules is left out.
    held = [one.replace(b"\r\n--b\r\n", b"x").replace(b"\r\n--b--\r", b"x")
            .replace(b"\r\n--b--\n", b"x") for one in held]  # fmt: skip
    held = [one for one in held if not one.startswith(b"--b\r\n") and b"\r\n--b\r\n" not in one]
    data = b"".join(Multipart("a/b", "b").chunks(Part({}, one) for one in held))
    assert [body for _, body in read(data, KIND, noise.choice([1, 3, 50]), seed)] == held, seed
