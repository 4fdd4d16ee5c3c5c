"""Mutations of the PDUs of an association, each drawn from one `Random`."""

import struct
from collections.abc import Callable, Sequence
from random import Random

from support.fuzzing.mutations import NUMBERS, Input, havoc, shorter, wrong_length
from support.network.wire import (
    ABORTED,
    P_DATA,
    RELEASE,
    RELEASED,
    context_item,
    item,
    message,
    pdu,
    request_of,
    role_item,
    value,
)

# The first is the A-ASSOCIATE-RQ.
Pdus = list[bytes]


def _bytes_anywhere(chance: Random, pdus: Pdus) -> None:
    at = chance.randrange(len(pdus))
    pdus[at] = havoc(chance, pdus[at])


def _bytes_of_the_rest(chance: Random, pdus: Pdus) -> None:
    at = chance.randrange(min(1, len(pdus) - 1), len(pdus))
    pdus[at] = havoc(chance, pdus[at])


def _pdu_length(chance: Random, pdus: Pdus) -> None:
    at = chance.randrange(len(pdus))
    if len(pdus[at]) >= 6:
        pdus[at] = wrong_length(chance, pdus[at], 2, 4)


def _value_length(chance: Random, pdus: Pdus) -> None:
    at = chance.randrange(len(pdus))
    if len(pdus[at]) >= 12 and pdus[at][0] == P_DATA:
        pdus[at] = wrong_length(chance, pdus[at], 6, 4)


def _value_head(chance: Random, pdus: Pdus) -> None:
    """Context ID or message control header."""
    at = chance.randrange(len(pdus))
    if len(pdus[at]) >= 12 and pdus[at][0] == P_DATA:
        place = chance.choice((10, 11))
        changed = bytes([chance.choice((0, 1, 2, 3, 4, 7, 255, chance.randrange(256)))])
        pdus[at] = pdus[at][:place] + changed + pdus[at][place + 1 :]


def _reorder(chance: Random, pdus: Pdus) -> None:
    rest = pdus[1:]
    chance.shuffle(rest)
    pdus[1:] = rest


def _repeat(chance: Random, pdus: Pdus) -> None:
    at = chance.randrange(len(pdus))
    pdus[at:at] = [pdus[at]] * chance.choice((1, 2, 20))


def _leave_out(chance: Random, pdus: Pdus) -> None:
    del pdus[chance.randrange(len(pdus))]


def _cut(chance: Random, pdus: Pdus) -> None:
    at = chance.randrange(len(pdus))
    pdus[at] = shorter(chance, pdus[at])
    del pdus[at + 1 :]


def _strange_pdu(chance: Random, pdus: Pdus) -> None:
    strange = (
        pdu(chance.randrange(256), chance.randbytes(chance.choice((0, 4, 100)))),
        pdu(chance.randrange(1, 8), b"", 0xFFFFFFFF),
        pdu(P_DATA, b""),
        pdu(P_DATA, value(1, 3, b"") * chance.choice((1, 1000))),
        pdu(P_DATA, value(1, 0, b"", 0)),
        RELEASE, RELEASED, ABORTED, pdus[0],
    )  # fmt: skip
    at = chance.randrange(len(pdus) + 1)
    pdus[at:at] = [chance.choice(strange)]


def _items(request: bytes) -> tuple[list[bytes], list[int]]:
    """The items of an A-ASSOCIATE-RQ, and where each begins."""
    found, starts, position = [], [], 74
    while position + 4 <= len(request):
        end = position + 4 + struct.unpack_from(">H", request, position + 2)[0]
        found.append(request[position:end])
        starts.append(position)
        position = end
    return found, starts


def _item_length(chance: Random, pdus: Pdus) -> None:
    _, starts = _items(pdus[0])
    if starts:
        pdus[0] = wrong_length(chance, pdus[0], chance.choice(starts) + 2, 2)


def _many_items(chance: Random, pdus: Pdus) -> None:
    """Items repeated, left out, in another order, or of unknown kinds."""
    items, _ = _items(pdus[0])
    if not items:
        return
    at = chance.randrange(len(items))
    strange = (
        [items[at]] * chance.choice((2, 200)),
        [],
        [havoc(chance, items[at])],
        [item(chance.randrange(256), chance.randbytes(20))],
        [context_item(n % 256, f"1.2.{n}", ["1.2.840.10008.1.2"]) for n in range(300)],
        [context_item(1, "", []), context_item(3, "1.2.3", [""] * 100)],
        [item(0x50, b"".join(role_item(f"1.2.{n}", 1, 1) for n in range(2000)))],
        [item(0x50, item(0x58, b"\1\1" + struct.pack(">H", 0xFFFF) + b"x"))],
        [item(0x50, item(0x56, struct.pack(">H", 3) + b"1.2" + bytes(50)) * 20)],
        [item(0x50, item(0x51, struct.pack(">I", chance.choice(NUMBERS))))],
        [item(0x50, item(0x53, chance.randbytes(4)) + item(0x57, chance.randbytes(30)))],
    )
    items[at : at + 1] = chance.choice(strange)
    if chance.random() < 0.2:
        chance.shuffle(items)
    pdus[0] = request_of(items)


_PDU_CHANGES: Sequence[Callable[[Random, Pdus], None]] = (
    _bytes_anywhere, _bytes_of_the_rest, _bytes_of_the_rest, _bytes_of_the_rest, _pdu_length,
    _value_length, _value_head, _value_head, _reorder, _repeat, _leave_out, _cut, _strange_pdu,
    _item_length, _many_items,
)  # fmt: skip


def mutate_pdus(chance: Random, what: str, pdus: Pdus) -> Input:
    """An association with one or more things wrong in its PDUs."""
    changed, names = list(pdus), [what]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        change = chance.choice(_PDU_CHANGES)
        if changed:
            change(chance, changed)
            names.append(change.__name__.strip("_"))
    opening, rest = (changed[0], b"".join(changed[1:])) if changed else (b"", b"")
    return Input(", ".join(names), opening, rest)


def fragmented(chance: Random, context: int, command: bytes, data: bytes | None) -> bytes:
    """A message, in fragments as some sender may cut them."""
    whole = message(context, command, data, chance.choice((16378, 16378, 1000, 1 << 17)))
    if chance.random() < 0.1:  # all in one PDU
        parts = [value(context, 3, command)]
        parts += [value(context, 2, data)] if data is not None else []
        return pdu(P_DATA, b"".join(parts))
    return whole
