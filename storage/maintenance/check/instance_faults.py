"""A file, its row and its receipts held against each other: pure."""

import json
from dataclasses import dataclass

from storage.dicom.values import Level, Uids
from storage.files import Files
from storage.index import Chain, Row, row_of, shared_header, shortened
from storage.journal import Receipt
from storage.maintenance.check.entity_rows import belongs
from storage.maintenance.check.faults import Fault, FaultKind
from storage.maintenance.check.file_reader import Examined, UnusableFile


@dataclass(frozen=True)
class Observation:
    """What is known of one place in the tree; receipts are None where nobody looked for them."""

    uids: Uids
    chain: Chain | None
    found: Examined | UnusableFile
    charset: str = ""  # with which its header was read
    receipts: tuple[Receipt, ...] | None = None

    @property
    def row(self) -> Row | None:
        """The instance's row."""
        return self.chain[-1] if self.chain else None

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of just the bytes that are there."""
        if isinstance(self.found, UnusableFile):
            return None
        digest = self.found.digest
        return next((r for r in reversed(self.receipts or ()) if r.digest == digest), None)


def is_doubtful(known: Observation) -> bool:
    """Whether the file's bytes are not what its row says: for the receipts to decide."""
    row, found = known.row, known.found
    if row is None or isinstance(found, UnusableFile):
        return False
    held = row.values
    return (
        held["digest"] not in ("", found.digest)
        or held["file_bytes"] != found.file_bytes
        or held["TransferSyntaxUID"] != found.transfer_syntax_uid
    )


def faults(known: Observation, files: Files) -> list[Fault]:
    """All that is wrong with it."""
    found, uids, path = known.found, known.uids, files.name(known.uids)
    if isinstance(found, UnusableFile):
        if found.kind is FaultKind.MISSING and known.chain is None:
            return []  # it went, and its row with it
        return [Fault(found.kind, path, uids, found.detail)]
    if found.header.uids != uids:
        return [Fault(FaultKind.MISPLACED, path, uids, files.name(found.header.uids))]
    wrong = [] if known.chain else [Fault(FaultKind.NOT_INDEXED, path, uids)]
    wrong += _of_bytes(known, found, path)
    if known.chain:
        is_changed = any(fault.kind is FaultKind.CHANGED for fault in wrong)
        differences = _differences(known, known.chain, found, is_changed)
        if differences and not any(fault.kind in _RE_READ for fault in wrong):
            wrong.append(Fault(FaultKind.ROW, path, uids, "; ".join(differences)))
    if not any(fault.kind in (FaultKind.CHANGED, FaultKind.CUT_SHORT) for fault in wrong):
        if found.damage.cut_short:
            wrong.append(Fault(FaultKind.CUT_SHORT, path, uids, found.damage.cut_short))
        if found.damage.pixel_data:
            wrong.append(Fault(FaultKind.PIXEL_DATA, path, uids, found.damage.pixel_data))
    return wrong


# What reading the file again into its row mends.
_RE_READ = (FaultKind.TRANSFER_SYNTAX, FaultKind.LENGTH, FaultKind.ROW)


def _of_bytes(known: Observation, found: Examined, path: str) -> list[Fault]:
    """The bytes against the receipts, and against the row where there are none."""
    row, receipts = known.row, known.receipts or ()
    where = path, known.uids
    digest = str(row.values["digest"]) if row else ""
    is_last = bool(receipts) and receipts[-1].digest == found.digest
    # The row's own digest counts, too: a receipt may be of what was not kept after all.
    is_received = known.receipt is not None and (is_last or digest in ("", found.digest))
    if not is_received and (receipts or digest not in ("", found.digest)):
        received = (
            receipts[-1].file_bytes if receipts else int(row.values["file_bytes"] if row else 0)
        )
        size = f": {found.file_bytes} bytes, {received} at receipt"
        more = found.damage.cut_short or found.damage.pixel_data
        detail = (size if received != found.file_bytes else "") + (f"; {more}" if more else "")
        return [Fault(FaultKind.CHANGED, *where, detail)]
    if row is None:
        return []
    if row.values["TransferSyntaxUID"] != found.transfer_syntax_uid:
        said = row.values["TransferSyntaxUID"]
        detail = f"{found.transfer_syntax_uid}, {said} in the index"
        receipt = known.receipt
        mendable = receipt is None or receipt.transfer_syntax_uid in ("", found.transfer_syntax_uid)
        return [Fault(FaultKind.TRANSFER_SYNTAX, *where, detail, mendable)]
    if row.values["file_bytes"] != found.file_bytes:
        held = f"{found.file_bytes} bytes, {row.values['file_bytes']} in the index"
        return [Fault(FaultKind.LENGTH, *where, held)]
    if receipts and digest != found.digest:
        return [Fault(FaultKind.ROW, *where, "the digest is not that of the receipt")]
    return []


def _differences(known: Observation, chain: Chain, found: Examined, is_changed: bool) -> list[str]:
    """What the rows say that the file's header does not.

    `is_changed`: who changed the file's bytes has changed its time, too. Without a digest that
    is for the receipts to tell.
    """
    patient, row = chain[0], chain[-1]
    expected = row_of(Level.IMAGE, found.header)
    texts = [
        difference(name, row.values[name], text)
        for name, text in expected.items()
        if row.values[name] != text
    ]
    if not belongs(patient, found.header):
        held, told = patient.values["PatientID"], found.header["PatientID"]
        texts.insert(0, difference("PatientID", held, told))
    texts += _shared_differences(chain, found)
    if row.values["arrived"] != found.arrived and row.values["digest"] and not is_changed:
        texts.append(difference("arrived", row.values["arrived"], found.arrived))
    receipt = known.receipt
    if receipt and receipt.charset != row.values["charset"]:
        texts.append(difference("charset", row.values["charset"], receipt.charset))
    return texts


def _shared_differences(chain: Chain, found: Examined) -> list[str]:
    """The same of what instances of a series have in common: it speaks for the rows above."""
    told = shared_header(found.header)
    if not chain[-1].shared:
        return ["what it says of its series is missing in the index"]
    series, corrected, came, *texts = json.loads(chain[-1].shared)
    if texts != list(told.texts):
        pairs = [
            (json.loads(old), json.loads(new)) for old, new in zip(texts, told.texts, strict=True)
        ]
        return [
            difference(column, old.get(column, ""), new.get(column, ""))
            for old, new in pairs
            for column in sorted(old.keys() | new.keys())
            if old.get(column) != new.get(column)
        ]
    if (series, bool(corrected), came) != (chain[-2].number, told.corrected, told.came):
        return ["what it says of its series is another's in the index"]
    return []


def difference(column: str, held: object, told: object) -> str:
    """A column with what it holds and what it should."""
    return f"{column} {shortened(held)}, {shortened(told)} in the file"
