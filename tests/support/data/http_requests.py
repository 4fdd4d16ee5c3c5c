"""Requests of PS3.18 with bytes, parameters, headers, parts and values of others in them."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from support.data.web_kit import Kit, file_of, image

_BOUNDARY = "fuzzb0undary"
# What means something somewhere, or to somebody.
TOKENS = (
    "", "*", "?", "-", "--", "0", "-1", "1", "1e9", "1e999", "nan", "inf", "-inf",
    "100000000000000000000",
    "..", "../../etc/passwd", "%2e%2e%2f", "%00", "%0d%0aX: y", "%FF%FE", "\\", '"', '""', "'",
    "''",
    "1.2.3", "1." * 40, "1" * 65, "a" * 500, "20240115", "20240115-", "-", "CT\\MR", "^",
    "^^^^^^", "=",
    "==", "DOE^JOHN", "%E5%B1%B1", "image/png", "image/*", "*/*", "application/dicom", "text/html",
    "application/dicom+json", "multipart/related; type=", "yes", "true", "false", "WADO", "all",
    "40,400,linear",
    "nan,nan,linear", "1,1", "0,0", "16384,16384", ",,,,,", "0,0,1,1", "1,2,3,4,5,6", "$(x)",
    "{}", "[]",
    "${jndi}", "<a>", "&", "#", ";", "%", "%%", "%zz", "\t", "bytes=0-", "bytes=-1", "bytes=9-1",
    "bytes=0-1,3-4",
    "gzip", "gzip;q=0", "chunked", "100-continue", "W/\"x\"",
)  # fmt: skip
_PARAMETERS = (
    "limit", "offset", "includefield", "fuzzymatching", "emptyvaluematching", "accept", "charset",
    "PatientName",
    "00100010", "StudyDate", "StudyInstanceUID",
    "RequestAttributesSequence.ScheduledProcedureStepID",
    "window", "viewport", "quality", "annotation", "iccprofile", "requestType", "studyUID",
    "objectUID",
    "contentType", "frameNumber", "rows", "columns", "region", "windowCenter", "windowWidth",
    "anonymize",
    "transferSyntax", "presentationUID", "foo", "00091001", "7FE00010", "PixelData",
)  # fmt: skip
_HEADERS = ("Accept", "Accept-Encoding", "Accept-Charset", "Range", "If-None-Match", "If-Range",
"Host",
            "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Expect",
            "Origin",
            "Connection", "X-Forwarded-Host", "Forwarded", "Cookie", "Authorization")  # fmt: skip
_ENDS = ("", "/metadata", "/rendered", "/thumbnail", "/bulkdata", "/pixeldata", "/frames/1",
         "/bulkdata/7FE00010", "/frames/1,2/rendered", "/series", "/instances",
         "/frames/0")  # fmt: skip


@dataclass
class HttpRequests:
    """Makes requests to a node that holds a kit; the same for the same seed and number."""

    kit: Kit
    host: str

    def make(self, seed: str, number: int) -> bytes:
        """A request."""
        chance = random.Random(f"{seed} {number}")
        kinds: Sequence[Callable[[random.Random], bytes]] = (
            self._asking, self._asking, self._by_uri, self._files, self._documents, self._broken,
        )  # fmt: skip
        return kinds[number % len(kinds)](chance)

    def _asking(self, chance: random.Random) -> bytes:
        name = chance.choice(list(self.kit.instances))
        path = "/dicom-web/" + chance.choice((
            self.kit.path(name), self.kit.path(name).partition("/series/")[0], "studies", "series",
            "instances", chance.choice(TOKENS),
        )) + chance.choice(_ENDS)  # fmt: skip
        return self._request("GET", path + self._query(chance), chance, {"Accept": "*/*"})

    def _by_uri(self, chance: random.Random) -> bytes:
        held = self.kit.instances[chance.choice(list(self.kit.instances))]
        path = (f"/wado?requestType=WADO&studyUID={held.StudyInstanceUID}&seriesUID="
                f"{held.SeriesInstanceUID}&objectUID={held.SOPInstanceUID}")  # fmt: skip
        return self._request("GET", path + self._query(chance, "&"), chance, {"Accept": "*/*"})

    def _query(self, chance: random.Random, begin: str = "?") -> str:
        pairs = [f"{chance.choice(_PARAMETERS)}={chance.choice(TOKENS)}"
                 for _ in range(chance.randrange(4))]  # fmt: skip
        return begin + "&".join(pairs) if pairs else ""

    def _files(self, chance: random.Random) -> bytes:
        uid = f"1.2.826.0.1.3680043.9.9.{chance.randrange(1 << 40)}"
        file = file_of(image(f"{uid}.1", 1, StudyInstanceUID=uid))
        body = _body([("application/dicom", "", changed(file, chance, chance.randrange(3)))])
        return self._post("application/dicom", changed(body, chance, chance.randrange(3)), chance)

    def _documents(self, chance: random.Random) -> bytes:
        uid = f"1.2.826.0.1.3680043.9.9.{chance.randrange(1 << 40)}"
        made = image(f"{uid}.1", 1, StudyInstanceUID=uid)
        pixels = made.PixelData
        del made.PixelData
        held = made.to_json_dict() | {"7FE00010": {"vr": "OW", "BulkDataURI": "p"}}
        kind = "application/dicom+json"
        document = json.dumps([_disturbed(held, chance)]).encode()
        if chance.random() < 0.5:
            kind, document = "application/dicom+xml", _as_xml(held, chance)
        parts = [(kind, "", changed(document, chance, chance.randrange(3)))]
        media_type = chance.choice(("application/octet-stream", "image/jpeg", "image/png"))
        parts.append((media_type, "p", changed(pixels, chance, chance.randrange(2))))
        return self._post(kind, changed(_body(parts), chance, chance.randrange(2)), chance)

    def _post(self, kind: str, body: bytes, chance: random.Random) -> bytes:
        headers = {
            "Accept": "application/dicom+json", "Content-Length": str(len(body)),
            "Content-Type": f'multipart/related; type="{kind}"; boundary={_BOUNDARY}',
        }  # fmt: skip
        return self._request("POST", "/dicom-web/studies", chance, headers, 0.1) + body

    def _broken(self, chance: random.Random) -> bytes:
        request = chance.choice((self._asking, self._by_uri, self._files))(chance)
        return changed(request, chance, chance.randint(1, 8))

    def _request(
        self, method: str, path: str, chance: random.Random, headers: dict[str, str],
        odd: float = 0.4,
    ) -> bytes:  # fmt: skip
        told = {"Host": self.host, **headers}
        while chance.random() < odd:
            told[chance.choice(_HEADERS)] = chance.choice(TOKENS)
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        line = f"{method} {path.replace(' ', '%20')} HTTP/1.1\r\n"
        return f"{line}{lines}Connection: close\r\n\r\n".encode()


def changed(data: bytes, chance: random.Random, count: int) -> bytes:
    """The same with so many places changed, cut out, doubled, or its end left off."""
    for _ in range(count):
        at = chance.randrange(len(data) + 1)
        length = chance.choice((1, 1, 1, 2, 4, 16, 200))
        data = chance.choice((
            data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
            data[:at] + data[at + length :],
            data[:at] + data[at : at + length] * 2 + data[at + length :],
            data[:at] + chance.choice(TOKENS).encode() + data[at:],
            data[:at] + f"\r\n--{_BOUNDARY}\r\n\r\n".encode() + data[at:],
            data[:at],
        ))  # fmt: skip
    return data


def _body(parts: list[tuple[str, str, bytes]]) -> bytes:
    found = b""
    for kind, where, data in parts:
        location = f"Content-Location: {where}\r\n" * bool(where)
        found += (
            f"--{_BOUNDARY}\r\nContent-Type: {kind}\r\n{location}\r\n".encode() + data + b"\r\n"
        )
    return found + f"--{_BOUNDARY}--\r\n".encode()


def _disturbed(held: Any, chance: random.Random) -> Any:
    """A model with a few of its values others."""
    if chance.random() < 0.01:
        return chance.choice(
            ("", None, 0, -1, 1e300, [], {}, [[]], "x", {"vr": "SQ"}, True, "1" * 999)
        )
    if isinstance(held, dict):
        return {key if chance.random() > 0.003 else "zz": _disturbed(value, chance)
                for key, value in held.items()}  # fmt: skip
    if isinstance(held, list):
        return [_disturbed(value, chance) for value in held]
    return held


def _as_xml(held: dict[str, Any], chance: random.Random) -> bytes:
    lines = ["<NativeDicomModel>"]
    for tag, one in held.items():
        vr, values = one["vr"], one.get("Value", [])
        if vr in ("SQ", "PN"):
            continue
        number = chance.choice((1, 1, 1, 1, 1, 2, 10**6, 10**12, -1, "x"))
        texts = "".join(f'<Value number="{number}">{value}</Value>' for value in values[:1])
        if "BulkDataURI" in one:
            texts = '<BulkData uri="p"/>'
        lines.append(f'<DicomAttribute tag="{tag}" vr="{vr}">{texts}</DicomAttribute>')
    return "".join([*lines, "</NativeDicomModel>"]).replace("&", "&amp;").encode()
