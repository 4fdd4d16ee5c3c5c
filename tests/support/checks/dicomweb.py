"""Who asks a node by DICOMweb, and reads what it answers in parts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any

import requests

from support import RunningNode, Tables

TABLES: Tables = {"web": {"port": 0}}
_AT = re.compile(r"DICOMweb at (https?://\S+)$")


@dataclass
class Web:
    """Who asks a node by HTTP; `url` is that of the service."""

    node: RunningNode
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        found = [match[1] for line in self.node.log if (match := _AT.search(line))]
        return found[-1]

    @property
    def origin(self) -> str:
        return self.url.rpartition("/")[0]

    def get(self, path: str, accept: str = "", **headers: str) -> requests.Response:
        """Ask for what lies at a path below the service, or at a whole URL."""
        url = path if path.startswith("http") else f"{self.url}/{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.get(url, headers={"Accept": accept or "*/*", **named}, timeout=60)

    def store(
        self, files: list[bytes], study: str = "", cut: int = 0, boundary: str = "b0undary"
    ) -> requests.Response:
        """Send files as parts; `cut`: so many bytes of the body's end are not sent."""
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join(head + file + b"\r\n" for file in files) + f"--{boundary}--\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        return self.session.post(
            f"{self.url}/studies{'/' * bool(study)}{study}", data=body[: len(body) - cut],
            headers={"Content-Type": kind, "Accept": "application/dicom+json"}, timeout=60,
        )  # fmt: skip


def parts(answer: requests.Response) -> list[tuple[Mapping[str, str], bytes]]:
    """The parts of an answer, read by the standard library."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    whole = BytesParser().parsebytes(head + answer.content)
    assert whole.is_multipart()
    assert not whole.defects
    found: list[Any] = [one for one in whole.walk() if not one.is_multipart()]
    return [(one, one.get_payload(decode=True)) for one in found]
