"""Who looks at the page of an archive, asked without a socket."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from werkzeug.test import Client, TestResponse

from scp.config import Settings
from scp.config.loader import checked
from scp.web.monitoring import WebCounters
from scp.web.request import OfNode
from scp.web.service.application import WebService
from storage import Archive, Received, prepare
from support import EXPLICIT, encoded

SECRET = b"s" * 32
HOST = {"Host": "localhost"}


@dataclass
class Page:
    """Who looks at the page of a data folder, and what arrives there meanwhile."""

    archive: Archive
    client: Client

    def get(self, path: str, code: int = 200, **headers: str) -> str:
        """A view."""
        answer = self.answer(path, **headers)
        assert answer.status_code == code, answer.text
        return answer.text

    def answer(self, path: str, **headers: str) -> TestResponse:
        """The answer to a GET."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.get(path, headers=HOST | named)
        answer.get_data()
        answer.close()  # behind which the audit trail tells of it
        return answer

    def post(self, path: str, code: int = 303, headers: dict[str, str] | None = None,
             **form: str) -> str:  # fmt: skip
        """Send a form; where it leads."""
        answer = self.client.post(path, data=form, headers=HOST | (headers or {}))
        assert answer.status_code == code, answer.text
        return answer.headers.get("Location", "")

    def form(self, path: str) -> tuple[str, dict[str, str]]:
        """Where the form of a view is sent to, and what it is filled in with."""
        return form_of(self.get(path))

    def act(self, path: str, code: int = 303, **form: str) -> str:
        """Confirm what a view says will be done; where that leads."""
        action, ticket = self.form(path)
        return self.post(action, code, **ticket, **form)

    def store(self, *held: Dataset, sender: str = "CT1") -> None:
        """Have instances arrive."""
        for one in held:
            self.archive.store(Received(
                str(one.SOPClassUID), str(one.SOPInstanceUID), EXPLICIT, encoded(one),
                "ISO_IR 100", sender,
            ))  # fmt: skip

    def found(self, **form: str) -> list[str]:
        """The studies that a search finds, in their order."""
        return studies(self.get(self.post("/page/search", **form)))


def form_of(view: str) -> tuple[str, dict[str, str]]:
    """Of the form of a view that is no search: where it is sent to, and its fields."""
    (found,) = re.findall(
        r'<form method="post" action="(/page/(?!language|search)[^"]*)"(.*?)</form>', view, re.S
    )
    fields = re.findall(r'<(?:input[^>]*|textarea) name="([^"]+)"[^>]*? value="([^"]*)"', found[1])
    return unescape(found[0]), {unescape(name): unescape(value) for name, value in fields}


def studies(view: str) -> list[str]:
    """The studies of a list."""
    return [unescape(one) for one in re.findall(r'data-study="([^"]*)"', view)]


def _statement(settings: Settings) -> str:
    return f"<p>statement of {settings.node.ae_title}</p>"


@contextmanager
def opened_page(folder: Path, **tables: Any) -> Iterator[Page]:
    """The page of a data folder that is made here, by these tables of its configuration."""
    data = folder / "data"
    prepare(data, sync=False, charset="ISO_IR 100")
    document: dict[str, Any] = {
        "storage": {"path": str(data), "sync": False}, "limits": {"free_bytes": 0},
        "web": {"port": 0}, **tables,
    }  # fmt: skip
    config = folder / "config.toml"
    archive = Archive(data, sync=False)
    yield Page(
        archive,
        Client(WebService(checked(document, config), WebCounters(), OfNode(SECRET, _statement))),
    )
    archive.close_thread()
