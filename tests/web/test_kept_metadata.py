"""Metadata is made once, and told anew wherever it became other: in the node, over HTTP."""

import json
from typing import Any

import pytest
from support import CT, EXPLICIT, minipacs
from support.checks.dicomweb import Web
from support.data.samples import ct, encoded

from scp.web.retrieval import kept
from scp.web.retrieval.kept import KeptAnswers
from storage.dicom import part10

STUDY = "1.2.9"
NAME, DESCRIPTION, INSTANCE = "00100010", "00081030", "00080018"


def file_of(number: int, **values: object) -> bytes:
    uid = f"{STUDY}.1.{number}"
    data_set = ct(STUDY, f"{STUDY}.1", uid, **values)
    return part10.header(CT, uid, EXPLICIT) + encoded(data_set)


def metadata(web: Web) -> tuple[list[dict[str, Any]], str]:
    """What is told by each of the processes that answer, and its entity tag: both say the same."""
    path = f"{web.url}/studies/{STUDY}/metadata"
    answers = []
    for _ in range(6):
        web.session.close()  # the next connection may be another process's
        answers.append(web.session.get(path, headers={"Accept-Encoding": "identity"}, timeout=60))
    (body,) = {answer.content for answer in answers}
    (tag,) = {answer.headers["ETag"] for answer in answers}
    return json.loads(body), tag


def test_what_arrives_is_corrected_replaced_and_deleted_is_told(empty: Web) -> None:
    empty.store([file_of(1), file_of(2)])
    told, first = metadata(empty)
    assert len(told) == 2

    empty.store([file_of(3)])
    told, second = metadata(empty)
    assert [one[INSTANCE]["Value"] for one in told] == [[f"{STUDY}.1.{n}"] for n in (1, 2, 3)]

    done = minipacs("correct", empty.node, "--study", STUDY, "StudyDescription=Other", "--yes")
    assert done.returncode == 0, done.stderr
    told, third = metadata(empty)
    assert [one[DESCRIPTION]["Value"] for one in told] == [["Other"]] * 3
    assert minipacs("undo", empty.node, "1", "--yes").returncode == 0
    told, fourth = metadata(empty)
    assert all(one.get(DESCRIPTION, {}).get("Value") != ["Other"] for one in told)

    empty.store([file_of(3, PatientName="Replaced^Anew")])
    told, fifth = metadata(empty)
    assert told[2][NAME]["Value"] == [{"Alphabetic": "Replaced^Anew"}]

    instance = f"{STUDY}.1.1"
    assert minipacs("delete", empty.node, "--instance", instance, "--yes").returncode == 0
    told, sixth = metadata(empty)
    assert len(told) == 2
    assert len({first, second, third, fourth, fifth, sixth}) == 6


def test_bodies_that_were_asked_for_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST_BYTES", 10)
    monkeypatch.setattr(kept, "_MOST_OF_ONE", 6)
    answers = KeptAnswers()
    for tag in "ab":
        assert list(answers.keeping(tag, iter([tag.encode() * 2] * 2))) == [tag.encode() * 2] * 2
    assert answers.get("a") == [b"aa", b"aa"]
    assert list(answers.keeping("c", iter([b"ccc"]))) == [b"ccc"]
    assert (answers.get("b"), answers.get("c")) == (None, [b"ccc"])
    assert answers.get("a") is not None
    assert sum(map(len, answers.keeping("large", iter([b"l" * 4] * 9)))) == 36
    assert answers.get("large") is None


def test_of_one_that_ends_early_nothing_is_kept() -> None:
    answers = KeptAnswers()
    given = answers.keeping("a", iter([b"1", b"2"]))
    assert next(given) == b"1"
    given.close()
    assert answers.get("a") is None
