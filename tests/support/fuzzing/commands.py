"""Command sets that are wrong, and messages that are not what their command says."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from support.fuzzing.data_sets import UIDS
from support.fuzzing.mutations import havoc
from support.network.wire import Elements, command_set, us

_FIELDS = (0x0001, 0x8001, 0x0010, 0x8010, 0x0020, 0x8020, 0x0021, 0x0030, 0x8030, 0x0FFF, 0x0100,
           0x8100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150, 0x0000, 0xFFFF, 0x7777)  # fmt: skip
_DATA_SET_TYPES = (0x0101, 0x0000, 0x0102, 0xFFFF)
_VALUES = (b"", b"\0", bytes(3), bytes(4), b"\xff" * 100, b"1.2" * 30000)
_UID_TAGS = (0x0002, 0x0003, 0x1000, 0x1001)


@dataclass
class Draft:
    """A message on its way to be bytes."""

    context: int
    elements: Elements
    data: bytes | None
    group_length: int | None = None
    command: bytes = b""  # where it is not what the elements make

    def put(self, tag: int, value: bytes) -> None:
        """Another value for an element that is there."""
        self.elements = [(one, value if one == tag else old) for one, old in self.elements]


def _left_out(chance: Random, draft: Draft) -> None:
    del draft.elements[chance.randrange(len(draft.elements))]


def _doubled(chance: Random, draft: Draft) -> None:
    at = chance.randrange(len(draft.elements))
    draft.elements.insert(at, draft.elements[at])


def _value(chance: Random, draft: Draft) -> None:
    draft.put(chance.choice(draft.elements)[0], chance.choice(_VALUES))


def _order(chance: Random, draft: Draft) -> None:
    chance.shuffle(draft.elements)


def _group_length(chance: Random, draft: Draft) -> None:
    draft.group_length = chance.choice((0, 1, 0xFFFF, 0xFFFFFFFF))


def _data_set_type(chance: Random, draft: Draft) -> None:
    draft.put(0x0800, us(chance.choice(_DATA_SET_TYPES)))


def _field(chance: Random, draft: Draft) -> None:
    draft.put(0x0100, us(chance.choice(_FIELDS)))


def _message_id(chance: Random, draft: Draft) -> None:
    draft.put(0x0110, us(chance.choice((0, 7, 0xFFFF))))


def _priority(chance: Random, draft: Draft) -> None:
    draft.put(0x0700, us(chance.choice((3, 0x7FFF, 0xFFFF))))


def _unknown(chance: Random, draft: Draft) -> None:
    value = chance.randbytes(chance.choice((0, 2, 4, 7, 64)))
    draft.elements.append((chance.randrange(0x10000), value))


def _uids(chance: Random, draft: Draft) -> None:
    for tag in chance.sample(_UID_TAGS, 2):
        draft.put(tag, chance.choice(UIDS))


def _context(chance: Random, draft: Draft) -> None:
    numbers = (0, 1, 2, 3, draft.context + 1, draft.context + 2, 255)
    draft.context = chance.choice(numbers) & 0xFF


def _data(chance: Random, draft: Draft) -> None:
    """None where one is announced, or one where none is."""
    draft.data = None if draft.data is not None else b"data"


def _bytes(chance: Random, draft: Draft) -> None:
    draft.command = havoc(chance, command_set(draft.elements))


def _cut(chance: Random, draft: Draft) -> None:
    whole = command_set(draft.elements)
    draft.command = whole[: chance.randrange(1, len(whole))]


CHANGES: tuple[Callable[[Random, Draft], None], ...] = (
    _left_out, _doubled, _value, _order, _group_length, _data_set_type, _field, _message_id,
    _priority, _unknown, _uids, _context, _data, _bytes, _cut,
)  # fmt: skip


def mutate(
    chance: Random, context: int, elements: Elements, data: bytes | None
) -> tuple[str, int, bytes, bytes | None]:
    """What was done; and context ID, command set and data set after it."""
    draft, change = Draft(context, list(elements), data), chance.choice(CHANGES)
    change(chance, draft)
    command = draft.command or command_set(draft.elements, draft.group_length)
    return change.__name__.strip("_"), draft.context, command, draft.data
