"""Bodies of answers that are kept, and which of them make room."""

import pytest

from scp.web.retrieval import kept
from scp.web.retrieval.kept import KeptAnswers


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
