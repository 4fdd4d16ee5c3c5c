"""Documents of series on the disk: whole or not there, bounded, and gone with their study."""

import os
from pathlib import Path

import pytest

from storage.diagnostics import ResourceError
from storage.files import SeriesDocuments

MOST = 1 << 20


def files(data: Path) -> list[str]:
    return sorted(str(path.relative_to(data)) for path in data.rglob("*"))


def test_a_document_comes_back_as_it_was_written(tmp_path: Path) -> None:
    documents = SeriesDocuments(tmp_path)
    assert documents.read("1.1", "1.2", MOST) is None
    documents.write("1.1", "1.2", b"first")
    documents.write("1.1", "1.2", b"text" * 999)
    assert documents.read("1.1", "1.2", MOST) == b"text" * 999
    assert documents.read("1.1", "1.2", 999) is None  # that is more than who asks takes
    assert files(tmp_path) == ["metadata", "metadata/1.1", "metadata/1.1/1.2.gz"]
    assert (tmp_path / "metadata/1.1/1.2.gz").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("cut", [0, 1, 9, -1])
def test_one_that_is_cut_off_or_damaged_is_none(tmp_path: Path, cut: int) -> None:
    documents = SeriesDocuments(tmp_path)
    documents.write("1.1", "1.2", b"text" * 999)
    path = tmp_path / "metadata/1.1/1.2.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    assert documents.read("1.1", "1.2", MOST) is None
    path.write_bytes(whole[:-8] + b"\0" * 8)  # the sum
    assert documents.read("1.1", "1.2", MOST) is None


def test_a_study_is_forgotten_with_all_its_series_and_a_series_alone(tmp_path: Path) -> None:
    documents = SeriesDocuments(tmp_path)
    for uids in (("1.1", "1.2"), ("1.1", "1.3"), ("2.1", "2.2")):
        documents.write(*uids, b"text")
    documents.forget("1.1", "1.2")
    documents.forget("1.1", "1.9")
    assert sorted(documents.studies()) == ["1.1", "2.1"]
    assert documents.read("1.1", "1.3", MOST) == b"text"
    documents.forget("1.1")
    documents.forget("1.1")
    assert files(tmp_path) == ["metadata", "metadata/2.1", "metadata/2.1/2.2.gz"]


@pytest.mark.parametrize("uids", [("..", "1.2"), ("1.1", "../../x"), ("", ""), ("1.1", "")])
def test_what_are_no_uids_reach_no_path(tmp_path: Path, uids: tuple[str, str]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    documents = SeriesDocuments(data)
    documents.write(*uids, b"text")
    assert documents.read(*uids, MOST) is None
    documents.forget("..")
    assert files(tmp_path) == ["data"]


def test_those_used_longest_ago_make_room(tmp_path: Path) -> None:
    documents = SeriesDocuments(tmp_path)
    for number in range(10):
        documents.write(f"1.{number}", "1.2", os.urandom(9000))
        os.utime(tmp_path / f"metadata/1.{number}/1.2.gz", (number, number))
    room = sum(path.stat().st_blocks * 512 for path in tmp_path.rglob("*.gz"))
    left = tmp_path / "metadata/1.9/.half-written"
    left.write_bytes(b"")
    os.utime(left, (0, 0))
    assert documents.bound(room, 1e6) == 0
    assert not left.exists()
    assert documents.bound(room - 1, 1e6) == 2  # with some to spare
    assert documents.read("1.0", "1.2", MOST) is None
    assert documents.bound(0, 1e6) == 8
    assert files(tmp_path) == ["metadata"]


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "metadata").write_bytes(b"")
    with pytest.raises(ResourceError, match="cannot be written"):
        SeriesDocuments(tmp_path).write("1.1", "1.2", b"text")
    assert SeriesDocuments(tmp_path).read("1.1", "1.2", MOST) is None
