"""Inputs: recorded associations with mutated PDUs, and associations made of mutated messages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from support import ECHO, EXPLICIT, FIND, GET, IMPLICIT, MOVE, Sample
from support.fuzzing import commands, data_sets, identifiers
from support.fuzzing.data_sets import Encoding
from support.fuzzing.mutations import Input
from support.fuzzing.pdus import fragmented, mutate_pdus
from support.fuzzing.recordings import BIG_ENDIAN, COMMIT, Recording, held_samples
from support.network.raw import ITEM
from support.network.wire import (
    Elements,
    Proposal,
    association_request,
    command_set,
    item,
    request,
    role_item,
    split,
    uid,
    us,
)

_ENCODINGS = {EXPLICIT: Encoding(), IMPLICIT: Encoding(True), BIG_ENDIAN: Encoding(False, ">")}
_TITLES = ("PEER", "DOWN", "NOBODY", "", "A" * 40, "PEER\\DOWN", "../../x")
# More than the longest identifier that is read, and not so much that all the time goes to it.
_MOST_BYTES = 17 * 1024 * 1024
_WELL_KNOWN = "1.2.840.10008.1.20.1.1"


@dataclass(frozen=True)
class Message:
    """A message before it is made bytes."""

    what: str
    context: int
    elements: Elements
    data: bytes | None = None


class Association:
    """An association for messages of every service; `plain`: stored images come decompressed."""

    def __init__(self, samples: Sequence[Sample], plain: bool) -> None:
        classes = sorted({sample.sop_class_uid for sample in samples})
        pairs = [(ECHO, IMPLICIT), (COMMIT, EXPLICIT)]
        pairs += [(uid, syntax) for uid in classes for syntax in (EXPLICIT, IMPLICIT)]
        pairs += [(model, syntax) for models in (FIND, GET, MOVE) for model in models.values()
                  for syntax in _ENCODINGS]  # fmt: skip
        if not plain:
            pairs += [(s.sop_class_uid, s.transfer_syntax_uid) for s in samples]
        self.contexts = {pair: 2 * n + 1 for n, pair in enumerate(dict.fromkeys(pairs))}
        proposals: list[Proposal] = [
            (number, uid, [syntax]) for (uid, syntax), number in self.contexts.items()
        ]
        roles = [role_item(uid, 1, 1) for uid in (*classes, COMMIT)]
        self.requests = [
            association_request(proposals, *roles),
            association_request(proposals, *roles, *(
                item(0x56, len(model).to_bytes(2) + model.encode() + b"\1" * 7)
                for models in (FIND, GET, MOVE) for model in models.values()
            )),
        ]  # fmt: skip

    def kind(self, context: int) -> tuple[str, str]:
        """SOP class and transfer syntax of a context."""
        return next(pair for pair, number in self.contexts.items() if number == context)


class Inputs:
    """Every input of a seed, by its number."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._recordings = recordings
        self._samples = held_samples()
        self._held = [sample.uids for sample in self._samples]
        self._associations = [Association(self._samples, plain) for plain in (False, True)]

    def make(self, seed: str, number: int) -> Input:
        """The same for the same seed and number, always."""
        chance = Random(f"{seed} {number}")
        if chance.random() < 0.4:
            recording = chance.choice(self._recordings)
            return mutate_pdus(chance, recording.name, recording.pdus)
        association = chance.choice(self._associations)
        opening = chance.choice(association.requests)
        names, pdus = [], b""
        for _ in range(chance.choice((1, 1, 2, 3))):
            name, more = self._message(chance, association)
            names.append(name)
            pdus += more
        if chance.random() < 0.1:
            return mutate_pdus(chance, " ".join(names), [opening, *split(pdus)])
        return Input(" ".join(names), opening, pdus)

    def _message(self, chance: Random, association: Association) -> tuple[str, bytes]:
        (made,) = chance.choices(self._makers, self._weights)
        message = made(chance, association)
        name, context, data = message.what, message.context, message.data
        _, syntax = association.kind(context)
        if data is not None and chance.random() < 0.75:
            which, data = data_sets.mutate(chance, data, _ENCODINGS.get(syntax, Encoding()))
            name += f" ({which})"
        data = data[:_MOST_BYTES] if data is not None else None
        command = command_set(message.elements)
        if chance.random() < 0.3:
            which, context, command, data = commands.mutate(chance, context, message.elements, data)
            name += f" [{which}]"
        sent = fragmented(chance, context, command, data)
        return name, sent + self._answers(chance, name, association)

    def _answers(self, chance: Random, name: str, association: Association) -> bytes:
        """What a C-GET's requestor says to the sub-operations, which come in this order."""
        if not name.startswith("get"):
            return b""
        context = chance.choice([n for (uid, _), n in association.contexts.items()
                                 if uid == self._samples[0].sop_class_uid])  # fmt: skip
        answers = b""
        for number in range(1, chance.choice((1, 3, 6))):
            status = chance.choice((0, 0, 0, 0xB000, 0xA700, 0xFF00))
            elements = [(0x0100, us(0x8001)), (0x0120, us(number)), (0x0800, us(0x0101)),
                        (0x0900, us(status))]  # fmt: skip
            answers += fragmented(chance, context, command_set(elements), None)
        return answers

    # ---- messages as they should be

    @cached_property
    def _makers(self) -> list[Callable[[Random, Association], Message]]:
        return [self._store, self._find, self._get, self._move, self._commit, self._echo]

    _weights = (50, 25, 10, 2, 5, 3)

    def _store(self, chance: Random, association: Association) -> Message:
        sample = chance.choice(self._samples)
        context = association.contexts.get((sample.sop_class_uid, sample.transfer_syntax_uid), 1)
        elements = request(0x0001, sample.sop_class_uid, True, (0x0700, us(2)),
                           (0x1000, uid(sample.sop_instance_uid)))  # fmt: skip
        return Message("store", context, elements, sample.data_set)

    def _query(
        self, chance: Random, association: Association, models: dict[str, str], field: int
    ) -> tuple[int, Elements, bytes]:
        model, syntax = chance.choice([*models.values()]), chance.choice([*_ENCODINGS])
        elements = request(field, model, True, (0x0700, us(chance.choice((0, 1, 2, 9)))))
        make = chance.choice((identifiers.plain, identifiers.strange))
        data = make(chance, _ENCODINGS[syntax], self._held)
        return association.contexts[model, syntax], elements, data

    def _find(self, chance: Random, association: Association) -> Message:
        return Message("find", *self._query(chance, association, FIND, 0x0020))

    def _get(self, chance: Random, association: Association) -> Message:
        return Message("get", *self._query(chance, association, GET, 0x0010))

    def _move(self, chance: Random, association: Association) -> Message:
        context, elements, data = self._query(chance, association, MOVE, 0x0021)
        elements = sorted([*elements, (0x0600, uid(chance.choice(_TITLES)))])
        return Message("move", context, elements, data)

    def _commit(self, chance: Random, association: Association) -> Message:
        encoding, sample = Encoding(), chance.choice(self._samples)
        transaction = uid(f"1.2.99.{chance.randrange(1 << 30)}")
        reference = encoding.element(0x00081150, "UI", uid(sample.sop_class_uid))
        reference += encoding.element(0x00081155, "UI", uid(sample.sop_instance_uid))
        items = encoding.element(ITEM, "", reference) * chance.choice((1, 2, 500))
        data = encoding.element(0x00081195, "UI", transaction)
        data += encoding.element(0x00081199, "SQ", items)
        elements = request(0x0130, COMMIT, True, (0x1001, uid(_WELL_KNOWN)), (0x1008, us(1)))
        return Message("commit", association.contexts[COMMIT, EXPLICIT], elements, data)

    def _echo(self, chance: Random, association: Association) -> Message:
        return Message("echo", association.contexts[ECHO, IMPLICIT], request(0x0030, ECHO, False))
