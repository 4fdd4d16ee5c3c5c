"""The whole way of a study, and the node: by journal, queue, audit trail and configuration."""

import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest
from support import ct
from support.data.web_page import Page, opened_page

from scp.runtime import AuditTrail, audit
from scp.runtime.audit import LinesTold
from scp.runtime.log import LastWarnings
from scp.web.page.study import way
from storage.dicom.values import Level
from storage.index import search
from storage.journal import pins
from storage.outbox import Outbox, Wanted, database

PEERS = {
    "BIG": {"host": "127.0.0.1", "port": 104, "allow": ["echo"]}, "CT1": {}, "OTHER": {},
}  # fmt: skip
TABLES: dict[str, Any] = {"peers": PEERS, "forward": [{"to": ["BIG"]}]}


def words(view: str, title: str = "") -> str:
    """The text of a view, or of the section with that title."""
    part = view.partition(f"<h2>{title}</h2>")[2].partition("</section>")[0] if title else view
    return re.sub(r"(<[^>]+>|\s)+", " ", part)


@pytest.fixture
def sent(tmp_path: Path) -> Any:
    """A page with three instances of a study, from two senders."""
    with opened_page(tmp_path, **TABLES) as page:
        page.store(ct("1.1", "1.1.1", "1.1.1.1"), ct("1.1", "1.1.1", "1.1.1.2"))
        page.store(ct("1.1", "1.1.1", "1.1.1.3"), sender="CT2")
        page.store(ct("1.11", "1.11.1", "1.11.1.1"), sender="ELSEWHERE")
        yield page


def test_who_sent_what_and_when_is_told(sent: Page) -> None:
    told = words(sent.get("/page/studies/1.1/way"), "Received")
    assert re.search(r"CT1 2 .* CT2 1 ", told)
    assert "ELSEWHERE" not in told
    assert "3 of 3 instances have the digest" in told


def test_what_was_sent_on_and_what_failed_and_why_is_told(sent: Page) -> None:
    data = sent.archive.tree.data
    database.prepare(data, sync=False)
    outbox = Outbox(data, sync=False)
    found = search.by_uid(sent.archive.index, Level.STUDY, "1.1")
    outbox.take([Wanted(one, {"BIG": None}) for one in found], {"1.1"}, 0, "")
    first, second, _ = outbox.due("BIG", 10)
    outbox.sent("BIG", first, to_be_committed=False)
    outbox.failed(second, "no <room>", None)
    outbox.close()
    told = words(sent.get("/page/studies/1.1/way"), "Forwarded")
    assert re.findall(r"BIG (\w+) (\d)", told) == [("sent", "1"), ("failed", "1"), ("waiting", "1")]
    node = sent.get("/page/node")
    assert "BIG 1 1 1 0" in words(node, "Forwarding")
    assert "no &lt;room&gt;" in words(node, "Forwarding")


def test_corrections_and_pins_are_told(sent: Page) -> None:
    assert "Nothing was corrected" in sent.get("/page/studies/1.1/way")
    line = {
        "number": 1,
        "user": "anna",
        "level": "STUDY",
        "key": "1.1",
        "reason": "typo",
        "values": {"PatientName": "Roe^Jane"},
        "before": {"PatientName": ["Doe^Jane"]},
    }
    sent.archive.journal.append("corrections", **line)
    sent.archive.journal.append("corrections", number=2, user="anna", undoes=1)
    pins.pin(sent.archive.journal, "1.1")
    shown = sent.get("/page/studies/1.1/way")
    assert "anna · undone PatientName Doe^Jane → Roe^Jane typo" in words(shown, "Corrections")
    assert "Pinned since" in shown
    assert "Nothing was corrected" in sent.get("/page/studies/1.11/way")


def test_who_asked_for_it_is_told_once_a_day_with_how_often(sent: Page) -> None:
    for _ in range(3):
        sent.get("/page/studies/1.1")
    trail = AuditTrail(sent.archive.tree.data / "audit/audit.jsonl", 1 << 20, 5)
    trail.write("move", peer="WS\x1b", address="10.0.0.1", StudyInstanceUID="1.1", status="0000")
    trail.write("find", peer="NOBODY", address="10.0.0.2", StudyInstanceUID="1.11")
    trail.write("forward", destination="BIG", studies=["1.7", "1.1"], sent=1)
    told = words(sent.get("/page/studies/1.1/way"), "Audit trail")
    assert "page \u00d73" in told
    assert "move WS\u241b 10.0.0.1 status=0000" in told
    assert "forward BIG sent=1" in told
    assert "NOBODY" not in told


def test_the_trail_is_read_from_its_end_over_all_its_files(sent: Page) -> None:
    settings = sent.client.application._context.settings
    path = sent.archive.tree.data / "audit/audit.jsonl"
    trail = AuditTrail(path, 4096, 20)
    for number in range(100):
        trail.write("move", peer="WS", address="10.0.0.1", study="1.1", number=number)
    assert len(list(path.parent.iterdir())) > 1
    whole = LinesTold(settings, b'"1.1"', 1 << 20)
    assert [line["number"] for line in whole] == list(range(99, -1, -1))
    assert not whole.is_cut
    few = LinesTold(settings, b'"1.1"', 2000)
    numbers = [line["number"] for line in few]
    assert numbers == list(range(99, 99 - len(numbers), -1))
    assert 0 < len(numbers) < 30
    assert few.is_cut
    none = LinesTold(settings, b'"9.9"', 2000)  # of which nothing is told there
    assert list(none) == []
    assert (none.is_cut, none.since) == (True, few.since)


def test_lines_longer_than_a_block_and_cut_ones_are_read(
    sent: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_BLOCK_BYTES", 64)
    settings = sent.client.application._context.settings
    path = sent.archive.tree.data / "audit/audit.jsonl"
    trail = AuditTrail(path, 1 << 20, 20)
    for number in range(20):
        trail.write("move", study="1.1", number=number, reason="x" * number * 10)
    with path.open("a") as file:
        file.write('{"study":"1.1","num')
    assert [line["number"] for line in LinesTold(settings, b'"1.1"', 1 << 20)] == [
        *range(19, -1, -1)
    ]


def test_what_was_not_looked_at_is_said_and_can_be(
    sent: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = AuditTrail(sent.archive.tree.data / "audit/audit.jsonl", 1 << 20, 5)
    trail.write("move", peer="LONG_AGO", study="1.1")
    for _ in range(50):
        trail.write("move", peer="OTHER", study="1.7")
    monkeypatch.setattr(way, "_FEW_BYTES", 1000)
    shown = sent.get("/page/studies/1.1/way")
    assert "LONG_AGO" not in shown
    assert "were not looked at" in shown
    assert 'href="?trail=all"' in shown
    whole = sent.get("/page/studies/1.1/way?trail=all")
    assert "LONG_AGO" in whole
    assert "were not looked at" not in whole


def test_what_is_counted_of_a_part_is_said_to_be(
    sent: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "The study is larger" not in sent.get("/page/studies/1.1/way")
    monkeypatch.setattr(way, "_MOST_INSTANCES", 2)
    assert "this is of 2 of its instances" in sent.get("/page/studies/1.1/way")


def test_the_node_tells_what_it_holds_and_who_its_peers_are(sent: Page) -> None:
    trail = AuditTrail(sent.archive.tree.data / "audit/audit.jsonl", 1 << 20, 5)
    trail.write("association", peer="CT1", address="10.0.0.1", outcome="release")
    shown = words(sent.get("/page/node"))
    assert "Health Well Studies 2 Series 2 Instances 4" in shown
    assert re.search(r"BIG 127.0.0.1:104 echo CT1 .*association OTHER", shown)


def test_what_is_wrong_with_the_node_is_said(tmp_path: Path) -> None:
    with opened_page(tmp_path, limits={"free_bytes": 1 << 60}) as page:
        shown = page.get("/page/node")
    assert "Not well" in shown
    assert "the disk is full" in shown


def test_the_configuration_is_shown_without_what_is_secret(tmp_path: Path) -> None:
    tls = {"certificate": "/x/cert.pem", "key": "/x/secret.pem"}
    with opened_page(tmp_path, tls=tls, **TABLES) as page:
        shown = page.get("/page/node")
    told = words(shown, "Configuration")
    assert "[[forward]] 1 to BIG" in told
    assert "[peers.BIG] port 104" in told
    assert "/x/cert.pem" in told
    assert "secret.pem" not in shown


def test_arrivals_are_told_by_series_with_who_sent_them(sent: Page) -> None:
    shown = sent.get("/page/arrivals")
    assert re.findall(r'data-study="([^"]+)"', shown) == ["1.11.1", "1.1.1"]
    assert re.search(r"ELSEWHERE Doe, Jane .* CT2 Doe, Jane", words(shown))


def test_the_conformance_statement_is_given_with_its_style(tmp_path: Path) -> None:
    with opened_page(tmp_path, node={"ae_title": "OURS"}) as page:
        assert 'href="/page/node/conformance"' in page.get("/page/node")
        answer = page.answer("/page/node/conformance")
    assert answer.text == "<p>statement of OURS</p>"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_last_warnings_of_all_processes_are_shown_as_text(sent: Page) -> None:
    kept = LastWarnings()
    logger = logging.Logger("of a test")
    logger.addHandler(kept)
    logger.info("nothing")
    for number in range(100):
        logger.warning("<b>number\x1b %s", number)
    child = os.fork()
    if not child:
        logger.error("of a child " + "x" * 1000)
        os._exit(0)
    os.waitpid(child, 0)
    last, before, *_ = lines = kept.lines()
    assert len(lines) == 64
    assert "ERROR   of a child xxx" in last
    assert before.endswith(r"WARNING <b>number\x1b 99")
    assert "Last warnings" in sent.get("/page/node")
