"""A Query/Retrieve SCP of pynetdicom's that answers as a test has it, also as none should."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from support.names import CT, EXPLICIT, IMPLICIT

_UNIQUE = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
Status = int | Dataset
# What a handler of pynetdicom's yields to a C-GET.
Yields = Iterator[Any]


@dataclass
class ArchivePeer:
    """Instances that a peer holds, and what it does in the place of what it should.

    `find` and `get` take the event and answer it; `asked` are the levels of the queries.
    """

    instances: list[Dataset]
    find: "Callable[[ArchivePeer, Any], Yields] | None" = None
    get: "Callable[[ArchivePeer, Any], Yields] | None" = None
    services: str = "find get"
    port: int = 0
    asked: list[str] = field(default_factory=list)
    gets: int = 0

    @contextmanager
    def serving(self) -> Iterator["ArchivePeer"]:
        """Answer on a port of the kernel's choice."""
        entity = AE("PEER")
        syntaxes = [EXPLICIT, IMPLICIT]
        if "find" in self.services:
            entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind, syntaxes)
        if "get" in self.services:
            entity.add_supported_context(StudyRootQueryRetrieveInformationModelGet, syntaxes)
            entity.add_supported_context(CT, syntaxes, scu_role=True, scp_role=True)
        if "move" in self.services:
            entity.add_supported_context(StudyRootQueryRetrieveInformationModelMove, syntaxes)
        handlers = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get),
                    (evt.EVT_C_MOVE, self._move)]  # fmt: skip
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = server.server_address[1]
        try:
            yield self
        finally:
            server.shutdown()

    def matching(self, identifier: Dataset) -> list[Dataset]:
        """The instances that the unique keys name."""
        return [
            one for one in self.instances
            if all(_matches(one, identifier, name) for name in _UNIQUE.values())
        ]  # fmt: skip

    def answers(self, identifier: Dataset) -> list[Dataset]:
        """What a C-FIND should answer: each entity of the level once."""
        level, found = identifier.QueryRetrieveLevel, {}
        for one in self.matching(identifier):
            answer = Dataset()
            for key in identifier:
                if key.keyword in one:
                    answer.add(one[key.keyword])
            answer.QueryRetrieveLevel = level
            found[str(one[_UNIQUE[level]].value)] = answer
        return list(found.values())

    def _find(self, event: Any) -> Yields:
        self.asked.append(event.identifier.QueryRetrieveLevel)
        if self.find:
            yield from self.find(self, event)
            return
        for answer in self.answers(event.identifier):
            yield 0xFF00, answer

    def _get(self, event: Any) -> Yields:
        self.gets += 1
        if self.get:
            yield from self.get(self, event)
            return
        found = self.matching(event.identifier)
        yield len(found)
        for one in found:
            yield 0xFF00, one

    def _move(self, event: Any) -> Yields:
        yield None, None


def _matches(instance: Dataset, identifier: Dataset, name: str) -> bool:
    wanted = identifier.get(name)
    if not wanted:
        return True
    values = [wanted] if isinstance(wanted, str) else list(wanted)
    return str(instance[name].value) in [str(one) for one in values]
