"""Identities in place of others: repeatable by a secret of the node's, and by nothing else."""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import date, timedelta

from pydicom._uid_dict import UID_dictionary

from storage.diagnostics import ResourceError
from storage.journal import Journal

SECRET = "deidentification"
_SECRET_BYTES = 32
_MOST_DAYS = 3650
_DATE_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2,6}(\.\d{1,6})?)?([+-]\d{4})?")


def secret_of(journal: Journal) -> bytes:
    """The secret, made where there is none yet; it is in the journal, and so in a backup.

    Raises ResourceError.
    """
    if found := _read(journal):
        return found
    journal.append(SECRET, secret=secrets.token_hex(_SECRET_BYTES))
    # Two may have made one at the same time: the first one counts.
    if found := _read(journal):
        return found
    raise ResourceError(f"The secret in journal/{SECRET}.jsonl cannot be read")


def _read(journal: Journal) -> bytes:
    for line in journal.read(SECRET):
        text = line.get("secret")
        if isinstance(text, str) and re.fullmatch(f"[0-9a-f]{{{2 * _SECRET_BYTES}}}", text):
            return bytes.fromhex(text)
    return b""


class Pseudonyms:
    """Those that follow from one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def uid(self, uid: str) -> str:
        """Another UID (PS3.5 B.2), always the same; the standard's own stay."""
        if not uid or uid in UID_dictionary:
            return uid
        return f"2.25.{int.from_bytes(self._digest('uid', uid)[:16], 'big')}"

    def patient_id(self, patient: str) -> str:
        """A Patient ID of 16 characters."""
        return base64.b32encode(self._digest("patient", patient)[:10]).decode("ascii")

    def patient_name(self, patient: str) -> str:
        """A name, which tells that it is none."""
        return f"ANON^{self.patient_id(patient)[:8]}"

    def label(self, text: str) -> str:
        """A name of 8 letters and digits for what is referred to by one, where it is text."""
        return base64.b32encode(self._digest("label", text)[:5]).decode("ascii")

    def days(self, patient: str) -> int:
        """How many days earlier all dates of a patient are, where they are shifted."""
        return 1 + int.from_bytes(self._digest("days", patient)[:8], "big") % _MOST_DAYS

    def shifted(self, vr: str, text: str, patient: str) -> str:
        """A date or date and time as many days earlier as the patient's all are; else empty."""
        found = _DATE_TIME.fullmatch(text)
        if not found or (vr == "DA" and len(text) != 8):
            return ""
        year, month, day, rest, _, zone = found.groups()
        try:
            days = timedelta(self.days(patient))
            moved = date(int(year), int(month or 1), int(day or 1)) - days
        except (ValueError, OverflowError):
            return ""
        given = moved.strftime("%Y%m%d").rjust(8, "0")[: 4 + 2 * bool(month) + 2 * bool(day)]
        return given + (rest or "") + (zone or "")

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.new(self._secret, f"{kind}\0{text}".encode(), hashlib.sha256).digest()
