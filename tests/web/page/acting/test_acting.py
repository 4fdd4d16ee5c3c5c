"""What is done on the page: as it was confirmed, once, by the code of the commands."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ct, destination
from support.data.web_page import HOST, Page, form_of, opened_page, studies

from scp.node.acts.board import INTERRUPTED
from scp.web.page.surface import VISIT_COOKIE
from storage.diagnostics import ResourceError
from storage.dicom.values import Level
from storage.index import search
from storage.journal import pinned
from storage.journal.corrections import in_force
from storage.maintenance.changes import correction
from storage.outbox import Outbox, Wanted, database

EVERYTHING = ["find", "retrieve", "store", "page", "send", "correct", "delete"]
NAME = "Lindqvist^Astrid"


def tables(**more: Any) -> dict[str, Any]:
    return {"web": {"port": 0, "allow": EVERYTHING}, **more}


def filled(page: Page) -> Page:
    """The same page with two studies of a patient, and one of another."""
    page.store(
        ct("1.1", "1.1.1", "1.1.1.1", PatientName=NAME, PatientID="P1", StudyDescription="Chest"),
        ct("1.1", "1.1.2", "1.1.2.1", PatientName=NAME, PatientID="P1", StudyDescription="Chest"),
        ct("1.2", "1.2.1", "1.2.1.1", PatientName=NAME, PatientID="P1"),
        ct("1.3", "1.3.1", "1.3.1.1", PatientName="Roe^Richard", PatientID="P2"),
    )
    return page


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with opened_page(tmp_path, **tables()) as page:
        yield filled(page)


def told(page: Page, where: str) -> str:
    """What a view tells of an act, at its end."""
    shown = page.get(where)
    (act,) = re.findall(r'<section class="notice act (.*?)</section>', shown, re.S)
    if act.startswith("under_way"):
        (watched,) = re.findall(r'data-watch="([^"]+)"', act)
        while page.get(watched).startswith("under_way"):
            threading.Event().wait(0.02)
        return told(page, where)
    return re.sub(r"(\s|<[^>]+>)+", " ", act)


def trail(page: Page, event: str) -> list[dict[str, Any]]:
    text = (page.archive.tree.data / "audit/audit.jsonl").read_text()
    return [one for one in map(json.loads, text.splitlines()) if one["event"] == event]


def corrected(page: Page, path: str, **values: str) -> str:
    """Give values on the form of a path; where what would come of them is shown."""
    action, fields = page.form(path)
    return page.post(action, **fields | values)


def test_a_name_that_was_corrected_is_found_and_undone(page: Page) -> None:
    where = corrected(page, "/page/studies/1.1/correct", PatientName="Berg^Astrid", reason="typo")
    assert "Berg" not in where
    shown = page.get(where)
    for said in (NAME, "Berg^Astrid", "Patient P1 has 1 other studies", "typo"):
        assert said in shown
    assert page.found(PatientName="berg") == []
    done = page.act(where)
    assert "Corrected (1): 2 instances." in told(page, done)
    assert page.found(PatientName="berg") == ["1.1"]
    assert page.found(PatientName="lindqvist") == ["1.2"]
    (line,) = trail(page, "correct")
    assert line["attributes"] == ["PatientName"]
    assert (line["user"], line["by"], line["reason"]) == ("anybody", "page", "typo")
    assert "Berg" not in json.dumps(line)
    assert in_force(page.archive.tree.data).all[1].user == "page anybody"
    assert 'href="/page/studies/1.1/undo/1"' in page.get("/page/studies/1.1/way")
    assert "Correction 1 is undone" in told(page, page.act("/page/studies/1.1/undo/1"))
    assert page.found(PatientName="berg") == []
    page.get("/page/studies/1.1/undo/1", 409)


def test_all_studies_of_a_patient_are_corrected_by_any_attribute(page: Page) -> None:
    where = corrected(
        page, "/page/studies/1.1/correct?of=patient", PatientSex="F", more="PatientComments=deaf",
    )  # fmt: skip
    assert "PatientComments" in page.get(where)
    assert "3 instances" in told(page, page.act(where))
    assert re.search("<bdi>F</bdi>", page.get("/page/studies/1.2"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "nothing is given another value"),
        ({"PatientID": "P2"}, "minipacs merge-patient P1 P2"),
        ({"PatientBirthDate": "31.1.2026"}, "PatientBirthDate"),
        ({"more": "StudyInstanceUID=1.9"}, "is a UID"),
        ({"more": "PatientName"}, "takes Keyword=VALUE"),
        ({"PatientName": "A^B", "more": "PatientName=C^D"}, "is given twice"),
        ({"more": f"PatientComments={'x' * 3001}"}, "3000 characters"),
    ],
)
def test_what_cannot_be_corrected_is_said_beside_what_was_given(
    page: Page, values: dict[str, str], said: str
) -> None:
    action, fields = page.form("/page/studies/1.1/correct?of=patient")
    answer = page.client.post(action, data=fields | values, headers=HOST)
    assert answer.status_code == 400
    assert said in answer.text
    assert all(text[:3000] in answer.text for text in values.values())
    assert in_force(page.archive.tree.data).last_number == 0


def test_who_corrects_what_was_corrected_meanwhile_is_told(page: Page) -> None:
    first = corrected(page, "/page/studies/1.1/correct", PatientName="Berg^Astrid")
    second = corrected(page, "/page/studies/1.1/correct", PatientName="Bergh^Astrid")
    action, ticket = page.form(second)
    page.act(first)
    page.post(action, 409, **ticket)
    assert page.found(PatientName="bergh") == []
    assert "Berg^Astrid" in page.get(second)  # as it is now; and to be confirmed from there


def test_of_two_that_were_shown_the_same_one_alone_is_written(page: Page) -> None:
    """Also where neither has begun when the other is looked at."""
    from scp.node.acts.actor import Actor
    from scp.node.acts.correcting import CorrectionPlan
    from storage.maintenance.changes import Selection, UncorrectableError

    study, archive = [Selection(Level.STUDY, "1.1")], page.archive
    plans = [CorrectionPlan.of(archive, study, {"PatientName": name}, "") for name in ("A", "B")]
    actor = Actor.of_command(page.client.application._context.settings)
    assert len(list(plans[0].made(actor, archive, ""))) == 1
    with pytest.raises(UncorrectableError, match="was corrected meanwhile"):
        list(plans[1].made(actor, archive, ""))
    correction.undo(archive.tree, 1, "me")
    with pytest.raises(UncorrectableError, match="is undone already"):
        correction.undo(archive.tree, 1, "me")


def test_a_patient_is_merged_into_another_one(page: Page) -> None:
    where = corrected(page, "/page/studies/1.1/merge", into="P2")
    assert "P1 → P2" in page.get(where)
    assert "Merged (1): 3 instances" in told(page, page.act(where))
    assert sorted(page.found(PatientID="P2")) == ["1.1", "1.2", "1.3"]
    action, fields = page.form("/page/studies/1.1/merge")
    assert "is not held" in page.client.post(action, data=fields | {"into": "P9"},
                                             headers=HOST).text  # fmt: skip


def test_a_study_is_pinned_and_let_go(page: Page) -> None:
    assert "Pinned." in told(page, page.act("/page/studies/1.1/pin"))
    assert list(pinned(page.archive.journal)) == ["1.1"]
    assert "The study is pinned" in page.get("/page/studies/1.1/delete")
    assert "Not pinned" in told(page, page.act("/page/studies/1.1/pin"))
    assert not pinned(page.archive.journal)
    assert [one["event"] for one in trail(page, "pin") + trail(page, "unpin")] == ["pin", "unpin"]


def test_a_study_that_was_deleted_is_gone_and_comes_back(page: Page) -> None:
    assert "2 instances" in page.get("/page/studies/1.1/delete")
    done = page.act("/page/studies/1.1/delete")
    assert done.startswith("/page?done=")
    assert "Deleted: 2 instances." in told(page, done)
    assert sorted(studies(page.get("/page"))) == ["1.2", "1.3"]
    assert not page.archive.tree.holds(("1.1", "1.1.1", "1.1.1.1"))
    assert trail(page, "delete")[0]["studies"] == ["1.1"]
    assert 'href="/page/studies/1.1/restore"' in page.get("/page/studies/1.1", 404)
    assert "/restore" not in page.get("/page/studies/9.9", 404)
    assert "Lindqvist, Astrid" in page.get("/page/deleted")
    assert "Restored: 2 instances." in told(page, page.act("/page/studies/1.1/restore"))
    assert sorted(page.found(PatientName="lindqvist")) == ["1.1", "1.2"]
    page.get("/page/studies/1.1/restore", 404)


def test_a_series_or_an_instance_goes_and_the_rest_stays(page: Page) -> None:
    done = page.act("/page/studies/1.1/series/1.1.2/instances/1.1.2.1/delete")
    assert done.startswith("/page/studies/1.1?")
    page.get("/page/studies/1.1/series/1.1.2", 404)
    page.act("/page/studies/1.1/restore")
    assert page.act("/page/studies/1.1/series/1.1.1/delete").startswith("/page/studies/1.1?")
    assert [one.uids[2] for one in page.archive.locate_below("1.1")] == ["1.1.2.1"]


def test_what_came_behind_the_question_is_not_deleted_by_the_answer(page: Page) -> None:
    action, ticket = page.form("/page/studies/1.1/delete")
    page.store(ct("1.1", "1.1.1", "1.1.1.9", PatientName=NAME, PatientID="P1"))
    page.post(action, 409, **ticket)
    assert len(page.archive.locate_below("1.1")) == 3


def test_what_is_sent_twice_is_done_once(page: Page) -> None:
    action, ticket = page.form("/page/studies/1.1/delete")
    first = page.post(action, **ticket)
    page.act("/page/studies/1.1/restore")
    assert page.post(action, **ticket) == first  # and not once more
    assert len(page.archive.locate_below("1.1")) == 2
    assert len(trail(page, "delete")) == 1


def test_of_many_at_one_time_one_does_it(page: Page) -> None:
    action, ticket = page.form("/page/studies/1.1/delete")
    service, cookie = (
        page.client.application,
        page.client.get_cookie("minipacs-visit", path="/page"),
    )
    assert cookie
    places: list[str] = []

    def send() -> None:
        from werkzeug.test import Client

        client = Client(service, use_cookies=False)
        headers = {**HOST, "Cookie": f"{cookie.key}={cookie.value}"}
        places.append(client.post(action, data=ticket, headers=headers).headers["Location"])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(places)) == 1
    assert "Deleted: 2 instances" in told(page, places[0])
    assert len(trail(page, "delete")) == 1


@pytest.mark.parametrize("series", ["", "/series/1.1.2"])
def test_a_study_or_a_series_arrives_at_a_peer(tmp_path: Path, series: str) -> None:
    with destination("BIG") as (inbox, port):
        peers = {"BIG": {"host": "127.0.0.1", "port": port}, "CT1": {}}
        with opened_page(tmp_path, **tables(peers=peers)) as page:
            filled(page)
            shown = page.get(f"/page/studies/1.1{series}/send")
            assert re.findall(r'name="to" value="([^"]+)"', shown) == ["BIG"]  # CT1 has no address
            done = page.act(f"/page/studies/1.1{series}/send?to=BIG")
            count = 1 if series else 2
            assert f"{count} of {count} instances arrived at BIG" in told(page, done)
            (line,) = trail(page, "send")
            assert (line["destination"], line["sent"], line["user"]) == ("BIG", count, "anybody")
            assert "send</bdi>" in page.get("/page/studies/1.1/way")
            assert "destination=BIG" in page.get("/page/studies/1.1/way")
    assert sorted(inbox.take_all()) == ["1.1.1.1", "1.1.2.1"][-count:]


def test_what_a_peer_gets_is_corrected_or_de_identified(tmp_path: Path) -> None:
    with destination("BIG") as (inbox, port):
        peers = {"BIG": {"host": "127.0.0.1", "port": port}}
        with opened_page(tmp_path, **tables(peers=peers)) as page:
            filled(page)
            page.act(corrected(page, "/page/studies/1.3/correct", PatientName="Poe^Richard"))
            told(page, page.act("/page/studies/1.3/send?to=BIG"))
            (held,) = inbox.data_sets().values()
            assert b"Poe^Richard" in held
            told(page, page.act("/page/studies/1.3/send?to=BIG&deidentified=1"))
            (held,) = inbox.data_sets().values()
    assert b"Richard" not in held
    assert b"P2" not in held


def test_a_peer_that_is_down_and_one_that_is_none_are_said(tmp_path: Path) -> None:
    with destination("BIG") as (_, port):
        pass
    peers = {"BIG": {"host": "127.0.0.1", "port": port}}
    with opened_page(tmp_path, **tables(peers=peers)) as page:
        filled(page)
        said = told(page, page.act("/page/studies/1.1/send?to=BIG"))
        assert "0 of 2 instances arrived at BIG" in said
        assert "BIG cannot be reached: Connection refused" in said
        assert "(instances=2)" in said
        assert said.startswith("failed")
        page.get("/page/studies/1.1/send?to=ELSEWHERE", 400)
        said = told(page, page.act("/page/node", to="BIG"))
        assert "BIG did not answer" in said
        page.act("/page/node", 400, to="ELSEWHERE")


def test_what_failed_is_sent_again(tmp_path: Path) -> None:
    peers = {"BIG": {"host": "127.0.0.1", "port": 104}}
    with opened_page(tmp_path, **tables(peers=peers, forward=[{"to": ["BIG"]}])) as page:
        filled(page)
        data = page.archive.tree.data
        database.prepare(data, sync=False)
        outbox = Outbox(data, sync=False)
        found = search.by_uid(page.archive.index, Level.STUDY, "1.1")
        outbox.take([Wanted(one, {"BIG": None}) for one in found], {"1.1"}, 0, "")
        for one in outbox.due("BIG", 10):
            outbox.failed(one, "no room", None)
        assert 'href="/page/node/retry?to=BIG"' in page.get("/page/node")
        done = page.act("/page/node/retry?to=BIG")
        assert "2 that had failed go to BIG again" in told(page, done)
        assert len(outbox.due("BIG", 10)) == 2
        outbox.close()
        page.get("/page/node/retry?to=NONE", 400)


def test_what_the_disk_does_not_take_is_said_and_leaves_what_there_was(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.journal import FolderJournal

    where = corrected(page, "/page/studies/1.1/correct", PatientName="Berg^Astrid")

    def refuse(journal: FolderJournal, name: str, **record: Any) -> None:
        raise ResourceError("journal/corrections.jsonl: No space left on device")

    monkeypatch.setattr(FolderJournal, "append", refuse)
    said = told(page, page.act(where))
    assert "No space left on device" in said
    assert said.startswith("failed")
    assert sorted(page.found(PatientName="lindqvist")) == ["1.1", "1.2"]


def test_what_the_end_of_the_node_cuts_off_is_left_as_a_command_leaves_it(page: Page) -> None:
    action, ticket = page.form("/page/studies/1.1/delete")
    page.client.application.stop_acts()
    said = told(page, page.post(action, **ticket))
    assert said.startswith(INTERRUPTED)
    (line,) = trail(page, "delete")
    assert (line["instances"], line["outcome"]) == (1, "interrupted: the node ended")
    (held,) = page.archive.locate_below("1.1")
    assert page.archive.tree.holds(held.uids)


def test_what_somebody_has_had_done_is_told_to_nobody_else(page: Page) -> None:
    done = page.act("/page/studies/1.1/pin")
    key = done.partition("done=")[2]
    assert "Pinned." in told(page, done)
    page.client.delete_cookie(VISIT_COOKIE, path="/page")
    assert "Pinned." not in page.get(done)
    page.get(f"/page/acts/{key}", 404)


def test_a_value_that_no_field_can_have_is_left_as_it_is(tmp_path: Path) -> None:
    with opened_page(tmp_path, **tables()) as page:
        page.store(ct("1.1", "1.1.1", "1.1.1.1", PatientName="A\x07^B", PatientID="P\r\n1"))
        action, fields = page.form("/page/studies/1.1/correct")
        fields |= {"PatientSex": "F"}
        shown = page.get(page.post(action, **fields))
        assert re.findall(r'<th scope="row">(\w+)</th>', shown) == ["PatientSex"]
        assert form_of(shown)[0] == "/page/studies/1.1/correct"
