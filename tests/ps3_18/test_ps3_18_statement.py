"""The conformance statement and the capabilities tell what is so (PS3.2 N.5.3, PS3.18 8.9)."""

import re

import pytest
from support import minipacs
from support.data.web_kit import Kit

from scp.web.dicomweb import ANSWERED, ROUTES, Transaction
from scp.web.request.errors import STATUSES


@pytest.fixture(scope="module")
def statement(kit: Kit) -> str:
    return minipacs("conformance", kit.web.node).stdout


def test_each_status_of_an_error_is_told_of() -> None:
    assert {status for _, status in STATUSES} <= {one.status for one in ANSWERED}
    assert {one for told in ANSWERED for one in told.transactions} == set(Transaction)


def test_each_resource_is_in_the_statement(kit: Kit, statement: str) -> None:
    told = kit.web.session.options(f"{kit.web.url}/", headers={"Accept": "application/json"})
    paths = {one["path"] for one in told.json()["resources"]}
    assert len(paths) == len({route.path for route in ROUTES})
    for path in paths - {"/wado"}:
        assert path in statement


@pytest.mark.parametrize(
    ("heading", "codes"),
    [("URI Web Service", {200, 400, 404, 406}), ("Retrieve", {200, 206, 304, 400, 404, 406, 416}),
     ("Store", {200, 202, 400, 409, 415, 503}), ("Search", {200, 204, 400, 503})],
)  # fmt: skip
def test_the_statuses_of_a_transaction_are_a_table(
    statement: str, heading: str, codes: set[int]
) -> None:
    part = re.split(r"\n#+ [0-9.]+ Status codes of (?:the )?" + heading, statement)[-1]
    table = part.split("\n#")[0]
    assert codes <= {int(one) for one in re.findall(r"\| (\d{3}) \(", table)}
