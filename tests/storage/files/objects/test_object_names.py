"""Keys, what travels with objects, and words for what goes wrong with them."""

import pickle
import re
from dataclasses import replace

import pytest

from storage.diagnostics import ResourceError
from storage.diagnostics.errors import ERROR_COMMENT_CHARACTERS
from storage.files import FileFacts
from storage.files.objects.keys import (
    key_of,
    new_key,
    number_of,
    place_of,
    places_below,
    uids_of,
    uuid7,
)
from storage.files.objects.metadata import facts_from, texts_of
from storage.files.objects.store_faults import StoreError, TakenError, told

UIDS = "1.2.3", "1.2.3.4", "1.2.3.4.5"
LONG = f"2.25.{'9' * 59}"
UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
FACTS = FileFacts("1.2.840.10008.1.2", 7, "ab" * 32, "ISO_IR 192", 12, "MR", 34)


def test_a_key_is_never_made_twice() -> None:
    assert len({new_key(UIDS) for _ in range(10_000)}) == 10_000


def test_a_key_says_whose_it_is() -> None:
    key = new_key(UIDS)
    assert key.startswith("tree/1.2.3/1.2.3.4/1.2.3.4.5.")
    assert uids_of(key) == UIDS
    longest = new_key((LONG, LONG, LONG))
    assert uids_of(longest) == (LONG, LONG, LONG)
    assert len(longest.rpartition("/")[2]) < 255  # what a file may be called


@pytest.mark.parametrize(
    "key", ["", "archive", "tree/1.2/1.3/1.4.dcm", "tree/1.2/1.3/../x.dcm", "probe/1",
            f"tree/{'1' * 65}/1.3/1.4.{UUID}.dcm", f"x/1.2/1.3/1.4.{UUID}.dcm",
            f"tree/1.2/1.3/1.4.{UUID.replace('-', '')}0000.dcm",
            f"tree/1.2/1.3/1.4.{UUID.upper()}.dcm"],
)  # fmt: skip
def test_what_is_no_key_of_ours_is_told_from_those(key: str) -> None:
    assert uids_of(key) is None


def test_what_is_no_key_has_no_number() -> None:
    with pytest.raises(ValueError, match="is no key"):
        number_of(f"tree/1.2/1.3/1.4.{UUID.upper()}.dcm")


def test_a_key_follows_from_the_instance_and_its_number() -> None:
    for uids in (UIDS, (LONG, LONG, LONG)):
        key = new_key(uids)
        found = uids_of(key)
        assert found
        assert key_of(found, number_of(key)) == key


def test_places_of_a_study_and_of_a_series_lie_side_by_side() -> None:
    instances = [(f"1.{n % 3}", f"1.{n % 3}.{n % 2}", f"1.9.{n}") for n in range(60)]
    assert len({place_of(uids) for uids in instances}) == 60
    for depth in range(4):
        for above in {uids[:depth] for uids in instances}:
            first, last = places_below(*above)
            inside = [uids for uids in instances if first <= place_of(uids) <= last]
            assert inside == [uids for uids in instances if uids[:depth] == above]


def test_a_uuid_is_one_of_version_7() -> None:
    one = uuid7()
    assert one.version == 7
    assert one.variant == "specified in RFC 4122"


@pytest.mark.parametrize(
    "facts",
    [FACTS, FileFacts("1.2", 0, ""), replace(FACTS, sender="Ä B%\r\n:", charset="\\ISO 2022 IR 87"),
     replace(FACTS, sender="山", arrived=2**63 - 1)],
)  # fmt: skip
def test_what_travels_with_an_object_comes_back_as_it_was(facts: FileFacts) -> None:
    texts = texts_of(facts)
    assert all(re.fullmatch(r"[!-~]*", text) for text in texts.values())
    assert facts_from({name.title(): text for name, text in texts.items()}) == facts


@pytest.mark.parametrize("change", [{"minipacs": "2"}, {"bytes": "x"}, {"digest": None}])
def test_what_others_wrote_is_not_taken_for_ours(change: dict[str, str | None]) -> None:
    texts = {**texts_of(FACTS), **change}
    assert facts_from({name: text for name, text in texts.items() if text is not None}) is None


NAME = "s3://images at https://store:9000"
ANSWER = "status code: {}: <Error><Code>{}</Code></Error>"


@pytest.mark.parametrize(
    ("said", "words", "is_final"),
    [
        (ANSWER.format("404 Not Found", "NoSuchBucket"), "The bucket is not there", True),
        (ANSWER.format(403, "InvalidAccessKeyId"), "does not know the access key", True),
        (ANSWER.format(403, "SignatureDoesNotMatch"), "the secret key wrong", True),
        (ANSWER.format(403, "AccessDenied"), "does not let these keys in", True),
        ("status code: 403 Forbidden: ", "does not let these keys in", True),
        (ANSWER.format(403, "RequestTimeTooSkewed"), "NTP", True),
        (ANSWER.format(403, "QuotaExceeded"), "is full", False),
        ("status code: 507 Insufficient Storage", "is full", False),
        (ANSWER.format(503, "SlowDown"), "is busy", False),
        (ANSWER.format(500, "InternalError"), "fails", False),
        (ANSWER.format(400, "Strange"), "400 Strange", True),
        ("error sending request: Connection refused (os error 111)", "start it", False),
        ("error sending request: dns error: no such host", "endpoint's name", False),
        ("request or response body error: operation timed out", "in time", False),
        ("invalid peer certificate: UnknownIssuer", "not trusted", False),
        ("who knows", "The connection to the object store fails", False),
    ],
)
def test_each_failure_has_words_of_its_own(said: str, words: str, is_final: bool) -> None:
    error = told(RuntimeError(said), NAME)
    assert isinstance(error, StoreError)
    assert words in str(error)
    assert NAME in str(error)
    assert "; " in str(error)
    assert error.is_final == is_final
    assert len(str(error).split(":")[0]) <= ERROR_COMMENT_CHARACTERS


def test_a_failure_of_the_store_is_one_of_reading_and_one_of_the_archive() -> None:
    error = StoreError("The object store is full", is_final=True)
    assert isinstance(error, OSError)
    assert isinstance(error, ResourceError)
    assert error.strerror == str(error) == "The object store is full"
    again = pickle.loads(pickle.dumps(TakenError("x", is_final=True)))
    assert (type(again), str(again), again.is_final) == (TakenError, "x", True)


def test_an_object_that_is_missing_is_told_from_a_bucket_that_is() -> None:
    assert isinstance(told(FileNotFoundError("<Code>NoSuchKey</Code>"), NAME), FileNotFoundError)
    assert isinstance(told(FileNotFoundError("<Code>NoSuchBucket</Code>"), NAME), StoreError)
