"""What a path names: a study, a series, an instance, or all that is below one of these."""

import re
from dataclasses import dataclass, replace
from urllib.parse import quote

from storage import Level
from storage.dicom.values import UNIQUE

# PS3.5 9.1; leading zeros are what some senders write.
_UID = re.compile(r"[0-9.]{1,64}")
_SEGMENTS = {Level.STUDY: "studies", Level.SERIES: "series", Level.IMAGE: "instances"}


class BadRequestError(Exception):
    """The request is one that cannot be answered; the text says why."""


@dataclass(frozen=True)
class Resource:
    """The UIDs of a path, by level, and below which address of the service it lies."""

    base: str
    uids: tuple[str, ...] = ()

    @classmethod
    def of(cls, base: str, *uids: str | None) -> "Resource":
        """The one of the UIDs that are told. Raises BadRequestError where one cannot be one."""
        given = tuple(uid for uid in uids if uid is not None)
        for uid in given:
            if not _UID.fullmatch(uid):
                raise BadRequestError(f"{uid[:80]!r} is no UID")
        return cls(base, given)

    @property
    def level(self) -> Level:
        """The lowest level of which it has a UID."""
        return list(Level)[len(self.uids)]

    @property
    def url(self) -> str:
        """Where it is to be had."""
        parts = zip(_SEGMENTS.values(), self.uids, strict=False)
        return self.base + "".join([
            f"/{name}/{uid if _UID.fullmatch(uid) else quote(uid)}" for name, uid in parts
        ])  # fmt: skip

    @property
    def named(self) -> list[tuple[str, str]]:
        """Its unique keys."""
        levels = list(Level)[1:]
        return [(UNIQUE[level].keyword, uid) for level, uid in zip(levels, self.uids, strict=False)]

    def of_instance(self, uids: tuple[str, str, str]) -> "Resource":
        """An instance of the same service."""
        return replace(self, uids=uids)
