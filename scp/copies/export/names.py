"""The names of exported files: for people, or for media (PS3.10 8, PS3.12)."""

import re
from collections.abc import Callable
from typing import Protocol

from storage.dicom import Header

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


class Names(Protocol):
    """Gives each file its name."""

    def name(self, header: Header) -> str:
        """The path of an instance in the export."""


class Readable:
    """STUDYDATE_StudyUID/MODALITYNUMBER_SeriesUID/InstanceUID.dcm; no patient in it."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}

    def name(self, header: Header) -> str:
        """The path of an instance in the export."""
        study, series, instance = header.uids
        # Instances may differ in what their study or series says: the first one names it.
        above = self._label(study, header["StudyDate"])
        number = header["SeriesNumber"].strip()
        below = self._label(series, header["Modality"] + number)
        return f"{above}/{below}/{instance}.dcm"

    def _label(self, uid: str, words: str) -> str:
        if uid not in self._labels:
            safe = _UNSAFE.sub("-", words).strip("-.")[:32]
            self._labels[uid] = f"{safe}_{uid}" if safe else uid
        return self._labels[uid]


class ForMedia:
    """File IDs of 8 upper-case characters each (PS3.10 8.2, 8.5)."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._counts: dict[tuple[str, ...], int] = {}

    def name(self, header: Header) -> str:
        """The path of an instance in the export."""
        uids = (header["PatientID"], *header.uids)
        return "/".join(
            f"{kind}{self._number(uids[: depth + 1]):06d}"
            for depth, kind in enumerate(("PT", "ST", "SE", "IN"))
        )

    def _number(self, key: tuple[str, ...]) -> int:
        if key not in self._numbers:
            self._counts[key[:-1]] = self._numbers[key] = self._counts.get(key[:-1], 0) + 1
        return self._numbers[key]


MakeNames = Callable[[], Names]
