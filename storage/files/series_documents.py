"""Documents of series: text that is made of instances, kept beside them, and can be made again."""

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

from storage.diagnostics import ResourceError
from storage.dicom.values import are_uids

_FOLDER = "metadata"
_ENDING = ".gz"
# Of zlib: what instances have in common is in the text once already, so more finds little.
_LEVEL, _GZIP = 3, 31
# How full all documents together may be once some have made room.
_FULL = 0.9
# Nobody writes one for so long: it is of a process that ended meanwhile.
_OLD_SECONDS = 3600


@dataclass(frozen=True)
class _Kept:
    path: Path
    bytes: int
    used: int


class SeriesDocuments:
    """Those of a data folder, each a gzip file; none is ever needed.

    A document is whole or not there: it is written beside and renamed, and gzip's sum tells of
    one that a power cut took part of.
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / _FOLDER

    def read(self, study: str, series: str, most: int) -> bytes | None:
        """The text of a series, of `most` bytes at most; None where there is none that is whole."""
        path = self._path(study, series)
        if path is None:
            return None
        try:
            packed = path.read_bytes()
            reader = zlib.decompressobj(_GZIP)
            text = reader.decompress(packed, most)
        except (OSError, zlib.error):
            return None
        return text if reader.eof else None

    def write(self, study: str, series: str, text: bytes) -> None:
        """Keep the text of a series in the place of what was kept. Raises ResourceError."""
        path = self._path(study, series)
        if path is None:
            return
        packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # For its owner alone, whoever may read the tree.
            descriptor, fresh = mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(packer.compress(text) + packer.flush())
                os.replace(fresh, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(fresh)
                raise
        except OSError as error:
            raise ResourceError(f"{path}: cannot be written: {error.strerror}") from error

    def forget(self, study: str, series: str = "") -> None:
        """Remove what is kept of a study, or of one series in it. Raises ResourceError."""
        if not are_uids((study, *([series] if series else []))):
            return
        folder = self._folder / study
        try:
            found = [folder / f"{series}{_ENDING}"] if series else list(folder.iterdir())
            for path in found:
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ResourceError(f"{error.filename or folder}: {error.strerror}") from error
        _prune(folder)

    def bound(self, most: int, now: float) -> int:
        """Remove those that were used longest ago, where all take more than `most` bytes.

        Returns how many went; what was begun and left before `now` goes as well. Raises
        ResourceError.
        """
        try:
            kept = list(self._all(now))
            total, gone = sum(one.bytes for one in kept), 0
            if total > most:
                for one in sorted(kept, key=lambda one: one.used):
                    if total <= most * _FULL:
                        break
                    one.path.unlink(missing_ok=True)
                    _prune(one.path.parent)
                    total, gone = total - one.bytes, gone + 1
        except OSError as error:
            words = f"{error.filename or self._folder}: {error.strerror}"
            raise ResourceError(words) from error
        return gone

    def studies(self) -> Iterator[str]:
        """The studies of which any is kept. Raises ResourceError."""
        try:
            yield from (path.name for path in self._folder.iterdir() if are_uids((path.name,)))
        except FileNotFoundError:
            return
        except OSError as error:
            raise ResourceError(f"{self._folder}: {error.strerror}") from error

    def _all(self, now: float) -> Iterator[_Kept]:
        for study in self.studies():
            with suppress(FileNotFoundError):  # it is going just now
                for entry in os.scandir(self._folder / study):
                    found = entry.stat()
                    if entry.name.endswith(_ENDING):
                        # The disk gives room by blocks, of which most documents fill one or two.
                        used = max(found.st_mtime_ns, found.st_atime_ns)
                        yield _Kept(Path(entry.path), found.st_blocks * 512, used)
                    elif found.st_mtime < now - _OLD_SECONDS:
                        os.unlink(entry.path)

    def _path(self, study: str, series: str) -> Path | None:
        """Where a document lies; None: no UIDs could be so, and nothing is kept."""
        if not are_uids((study, series)):
            return None
        return self._folder / study / f"{series}{_ENDING}"


def _prune(folder: Path) -> None:
    with suppress(OSError):  # not empty: one came meanwhile
        folder.rmdir()
