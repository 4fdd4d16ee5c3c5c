"""What the instances of a series say, as one text: what all say alike once, of each what differs.

Lines, of which nothing in DICOM JSON is a part: neither line feeds nor tabs stand in it as they are
(RFC 8259 7). The first has what the document depends on, the second the members of an object that
all instances share, the third the tags of all others; then a line an instance, with its own.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_TAG = slice(1, 9)  # of a member of an object: "00080005":...
_COLUMNS = 4  # of a line, before what the instance says


class Facts(NamedTuple):
    """An instance, and of which content of it a document tells."""

    instance: str
    digest: str
    charset: str  # that is assumed for text that names none
    is_corrected: bool


@dataclass(frozen=True)
class Basis:
    """What all of a document depends on, beside the content of instances.

    `form` is how it is written, `journal` whose corrections were looked at, up to the one that has
    the number `corrections`.
    """

    form: str
    journal: str
    corrections: int


@dataclass
class SeriesDocument:
    """The members that all instances share and, by SOP Instance UID, the others of each.

    A member of none, where one has no such attribute, is empty.
    """

    shared: Sequence[bytes] = ()
    tags: Sequence[bytes] = ()
    facts: dict[str, Facts] = field(default_factory=dict)
    own: dict[str, Sequence[bytes]] = field(default_factory=dict)
    _parts: list[bytes] = field(default_factory=list)

    @classmethod
    def read(cls, text: bytes, basis: Mapping[str, object]) -> "tuple[Basis, SeriesDocument]":
        """What `written` has written, of which `basis` must be so. Raises ValueError."""
        head, shared, tags, *lines = text.split(b"\n")
        told = json.loads(head)
        if any(told.get(name) != value for name, value in basis.items()):
            raise ValueError("a document of another form, or another journal")
        document = cls(_split(shared), _split(tags))
        for line in lines:
            instance, digest, charset, is_corrected, *own = line.split(b"\t")
            if len(own) != len(document.tags):
                raise ValueError("a document with a line that is cut short")
            facts = Facts(instance.decode(), digest.decode(), charset.decode(), bool(is_corrected))
            document.facts[facts.instance], document.own[facts.instance] = facts, own
        return Basis(**told), document

    def written(self, basis: Basis) -> bytes:
        """The document as text."""
        lines = [json.dumps(vars(basis)).encode(), b"\t".join(self.shared), b"\t".join(self.tags)]
        for facts, own in zip(self.facts.values(), self.own.values(), strict=True):
            texts = facts.instance, facts.digest, facts.charset, "1" if facts.is_corrected else ""
            lines.append(b"\t".join([*(one.encode() for one in texts), *own]))
        return b"\n".join(lines)

    def text(self, instance: str) -> bytes:
        """The data set of an instance as an object of DICOM JSON."""
        parts = [*(self._parts or self._joined())]
        parts[1::2] = self.own[instance]
        return b"{%s}" % b",".join(filter(None, parts))

    def members(self, instance: str) -> dict[str, Any]:
        """The same, read: attributes by tag."""
        return dict(json.loads(self.text(instance)))

    def with_more(
        self, fresh: Sequence[tuple[Facts, Sequence[bytes]]], without: Iterable[str] = ()
    ) -> "SeriesDocument":
        """A document that tells of more instances, each with its members, and not of others."""
        gone = {*without, *(facts.instance for facts, _ in fresh)}
        left = [one for one in self.facts if one not in gone]
        # Of none that is left nothing is known to be shared.
        before = set(self.shared) if left else set(fresh[0][1]) if fresh else set()
        shared = before.intersection(*(said for _, said in fresh))
        differ = {one[_TAG]: one for one in before - shared} if left else {}
        theirs = [
            {one[_TAG]: one for one in said if one not in shared} for _, said in fresh
        ]  # fmt: skip
        tags = sorted(
            {*(self.tags if left else ()), *differ, *(tag for one in theirs for tag in one)}
        )
        made = SeriesDocument(sorted(shared), tags)
        for instance in left:
            held = differ | {
                t: one for t, one in zip(self.tags, self.own[instance], strict=True) if one
            }
            made.facts[instance] = self.facts[instance]
            made.own[instance] = [held.get(tag, b"") for tag in tags]
        for (facts, _), members in zip(fresh, theirs, strict=True):
            made.facts[facts.instance] = facts
            made.own[facts.instance] = [members.get(tag, b"") for tag in tags]
        return made

    def text_of(self, instance: str, tag: bytes) -> str:
        """The values of an attribute of text, with backslashes between; empty without one."""
        for one in (*self.own[instance], *self.shared):
            if one[_TAG] == tag:
                values = json.loads(b"{%s}" % one)[tag.decode()].get("Value", [])
                return "\\".join("" if value is None else str(value) for value in values)
        return ""

    @property
    def size(self) -> int:
        """How many bytes it holds, about."""
        held = sum(map(len, self.shared))
        return held + sum(len(one) for own in self.own.values() for one in own)

    def _joined(self) -> list[bytes]:
        """What is shared, in runs between the members that differ: each other place is theirs."""
        runs: list[list[bytes]] = [[]]
        following = iter([*self.tags, b"G"])  # behind each tag
        until = next(following)
        for one in self.shared:
            while one[_TAG] > until:
                runs.append([])
                until = next(following)
            runs[-1].append(one)
        runs += [[] for _ in range(len(self.tags) + 1 - len(runs))]
        self._parts = [b""] * (2 * len(self.tags) + 1)
        self._parts[::2] = [b",".join(run) for run in runs]
        return self._parts


def _split(line: bytes) -> list[bytes]:
    return line.split(b"\t") if line else []
