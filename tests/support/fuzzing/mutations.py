"""Mutations of bytes, each drawn from one `Random`; and what an input is."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF, 0x20, 0x5C, 0x2A)
NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000,
           0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)  # fmt: skip


@dataclass(frozen=True)
class Input:
    """What is sent: `opening`, and `rest` once that is answered."""

    what: str
    opening: bytes
    rest: bytes

    def packed(self) -> bytes:
        """As it is kept in tests/regressions/."""
        return struct.pack(">I", len(self.opening)) + self.opening + self.rest

    @staticmethod
    def unpacked(what: str, data: bytes) -> "Input":
        """What `packed` made."""
        end = 4 + struct.unpack_from(">I", data)[0]
        return Input(what, data[4:end], data[end:])


# ---- bytes


def havoc(chance: Random, data: bytes, most: int = 6) -> bytes:
    """Some changes anywhere."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, most)):
        chance.choice(_CHANGES)(chance, changed)
    return bytes(changed)


def _flip(chance: Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(chance: Random, data: bytearray) -> None:
    if data:
        known = chance.random() < 0.5
        data[chance.randrange(len(data))] = chance.choice(BYTES) if known else chance.randrange(256)


def _number(chance: Random, data: bytearray) -> None:
    size = chance.choice((2, 4))
    if len(data) >= size:
        at = chance.randrange(len(data) - size + 1)
        number = chance.choice(NUMBERS) & (1 << 8 * size) - 1
        data[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))


def _block(chance: Random, data: bytearray) -> slice:
    at = chance.randrange(len(data) + 1)
    return slice(at, at + chance.choice((1, 2, 4, 8, 16, 100, 1000)))


def _remove(chance: Random, data: bytearray) -> None:
    del data[_block(chance, data)]


def _duplicate(chance: Random, data: bytearray) -> None:
    block = _block(chance, data)
    data[block.start : block.start] = data[block] * chance.choice((1, 1, 2, 50))


def _insert(chance: Random, data: bytearray) -> None:
    block = _block(chance, data)
    data[block.start : block.start] = chance.randbytes(block.stop - block.start)


def _move(chance: Random, data: bytearray) -> None:
    block = _block(chance, data)
    held = data[block]
    del data[block]
    at = chance.randrange(len(data) + 1)
    data[at:at] = held


_CHANGES: tuple[Callable[[Random, bytearray], None], ...] = (
    _flip, _flip, _set, _number, _remove, _duplicate, _insert, _move,
)  # fmt: skip


def shorter(chance: Random, data: bytes) -> bytes:
    """Cut short."""
    return data[: chance.randrange(len(data) + 1)]


def wrong_length(chance: Random, data: bytes, at: int, size: int, order: str = ">") -> bytes:
    """Another number in place of the length of `size` bytes at `at`."""
    code = order + {2: "H", 4: "I"}[size]
    held = struct.unpack_from(code, data, at)[0]
    near = [held + step for step in (-2, -1, 1, 2, 6, 256)] + [held * 2, held // 2]
    number = chance.choice([*near, *NUMBERS]) & (1 << 8 * size) - 1
    return data[:at] + struct.pack(code, number) + data[at + size :]
