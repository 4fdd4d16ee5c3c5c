"""The folder of entries: files that people and programs write, a file an entry or several.

`.wl` are DICOM files as wlmscpfs and Orthanc take them, `.json` the DICOM JSON Model or one flat
object of keywords, alone or in a list. All others, and what begins with a dot, are passed over.
Nothing tells when a file is written: each look compares names, times and sizes.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from storage.diagnostics import DataSetError
from storage.dicom import part10
from storage.dicom.data_sets import MESSAGE, Elements, ReadBudget, elements, reader
from storage.files import sync_folder
from storage.worklist.entries.entry import (
    Entry,
    EntryError,
    completed,
    from_values,
    to_values,
)
from storage.worklist.entries.json_form import from_json, to_json

FILES = (".wl", ".json")
# Of a file; an import of a thousand rows has less than one.
_MOST_BYTES = 16 * 1024 * 1024
_MOST_ENTRIES = 10_000
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_NAME_CHARACTERS = 40
_DIGEST_BYTES = 6
# A data set without any header begins with a group that an entry has.
_FIRST_GROUPS = (b"\x08\x00", b"\x10\x00")
# File systems tell times in steps of a few milliseconds: what changed within one is looked at
# again.
_RACY_NS = 50_000_000


class Stamp(NamedTuple):
    """When a file was written, in nanoseconds since 1970, and how many bytes it has."""

    written: int
    size: int


UNSURE = Stamp(-1, -1)


def stamps(folder: Path) -> dict[str, Stamp]:
    """The files of the folder by name. Raises OSError."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not entry.name.endswith(FILES):
                continue
            try:
                held = entry.stat()
            except FileNotFoundError:  # taken away just now
                continue
            if stat.S_ISREG(held.st_mode):
                found[entry.name] = Stamp(held.st_mtime_ns, held.st_size)
    return found


def settled(stamp: Stamp, now: int) -> Stamp:
    """The stamp under which what was read at `now` is kept; one that is no file's while unsure."""
    return stamp if stamp.written < now - _RACY_NS else UNSURE


def read(path: Path, identity: str, charset: str) -> list[Entry]:
    """The entries of a file; `charset` is for text that names none.

    Raises DataSetError where it is not whole, or one of them is none; OSError.
    """
    data = _bytes_of(path)
    held = [_data_set(data, charset)] if path.name.endswith(".wl") else _documents(data)
    found: list[Entry] = []
    for number, one in enumerate(held, 1):
        where = f"entry {number}: " if len(held) > 1 else ""
        try:
            seed = f"{path.name}\0{number}" if where else path.name
            found += completed(one, identity, seed)
        except EntryError as error:
            raise EntryError(*(where + fault for fault in error.faults)) from None
    return found


def _bytes_of(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise DataSetError(f"has more than {_MOST_BYTES} bytes")
    return data


def _data_set(data: bytes, charset: str) -> Elements:
    budget = ReadBudget(MESSAGE)
    file = BytesIO(data)
    try:
        meta = part10.read(file)
    except DataSetError:
        file.seek(0)
        found = part10.read_without_preamble(file)
        if found is None:
            return _bare(data, charset)
        meta = found
    rest = data[meta.data_set_offset :]
    if not rest:
        raise DataSetError("ends behind its header") from None
    held = reader.read_whole(rest, meta.transfer_syntax_uid, budget)
    return elements.read(held, None, charset, budget=budget)


def _bare(data: bytes, charset: str) -> Elements:
    """A data set without a header, of implicit or explicit VRs. Raises DataSetError."""
    if not data.startswith(_FIRST_GROUPS):
        raise DataSetError("is empty" if not data else "is no DICOM file")
    is_explicit = data[4:6].isalpha() and data[4:6].isupper()
    syntax = ExplicitVRLittleEndian if is_explicit else ImplicitVRLittleEndian
    budget = ReadBudget(MESSAGE)
    held = reader.read_whole(data, str(syntax), budget)
    return elements.read(held, None, charset, budget=budget)


def _documents(data: bytes) -> list[Elements]:
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataSetError(f"is no UTF-8: byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise DataSetError("is empty" if not data.strip() else f"is no JSON: {error}") from None
    held = document if isinstance(document, list) else [document]
    if len(held) > _MOST_ENTRIES:
        raise DataSetError(f"has more than {_MOST_ENTRIES} entries")
    found = []
    for number, one in enumerate(held, 1):
        where = f"entry {number}: " if isinstance(document, list) else ""
        if not isinstance(one, dict) or not one:
            raise DataSetError(f"{where}takes an object of keywords or of tags")
        try:
            is_model = all(map(_TAG.fullmatch, one))
            found.append(from_json(one) if is_model else from_values(_flat(one)))
        except EntryError as error:
            raise EntryError(*(where + fault for fault in error.faults)) from None
        except DataSetError as error:
            raise DataSetError(f"{where}{error}") from None
    return found


def _flat(held: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for keyword, value in held.items():
        values = value if isinstance(value, list) else [value]
        if any(isinstance(one, bool) or not isinstance(one, str | int | float | None)
               for one in values):  # fmt: skip
            raise EntryError(f"{keyword[:64]}: takes text, a number, or a list of these")
        found[keyword] = "\\".join("" if one is None else str(one) for one in values)
    return found


def name_of(entry: Entry) -> str:
    """The name of the file of one entry: the same for its update, and for nothing else."""
    parts = [_safe(part) for part in entry.key]
    if tuple(parts) != entry.key or "-" in parts[0]:  # what another key may be as well
        digest = hashlib.blake2b("\0".join(entry.key).encode(), digest_size=_DIGEST_BYTES)
        parts.append(digest.hexdigest())
    return f"{'-'.join(parts)}.json"


def name_for(title: str) -> str:
    """The name of a file of many, by what they came from."""
    return f"{_safe(title)}.json"


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text).strip("._-")[:_NAME_CHARACTERS] or "entry"


def write(folder: Path, name: str, entries: Iterable[Entry], identity: str) -> Path:
    """Write a file of entries, which is there whole, on the disk, when this returns, or not at all.

    Raises OSError.
    """
    documents = [_document(entry, identity) for entry in entries]
    document = documents[0] if len(documents) == 1 else documents
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, fresh = folder / name, folder / f".{name}.{os.getpid()}.new"
    try:
        with fresh.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(folder)
    return path


def _document(entry: Entry, identity: str) -> dict[str, Any]:
    """Keywords and values, which a person can read; the DICOM JSON Model where that says more."""
    flat = to_values(entry)
    try:
        (read_again,) = completed(from_values(flat), identity, "")
    except (EntryError, ValueError):
        return to_json(entry.elements)
    return dict(flat) if read_again == entry else to_json(entry.elements)
