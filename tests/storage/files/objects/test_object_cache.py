"""The folder with objects that were read: whole ones alone, no more than it may hold."""

import os
import time
from pathlib import Path

import pytest

from storage.files.digests import FileStatus
from storage.files.objects import cache as cache_module
from storage.files.objects.cache import CacheFolder

ARRIVED = 1_700_000_000_123_456_789


def keep(cache: CacheFolder, key: str, *parts: bytes, size: int = 0) -> None:
    status = FileStatus(size or sum(map(len, parts)), ARRIVED)
    keeping = cache.keeping(key, status)
    if keeping is None:
        return
    at = 0
    for part in parts:
        keeping.take(at, memoryview(part))
        at += len(part)
    keeping.end()


def held(cache: CacheFolder, key: str) -> bytes | None:
    file = cache.open(key)
    if file is None:
        return None
    with file:
        assert os.fstat(file.fileno()).st_mtime_ns == ARRIVED
        return file.read()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("parts", [[b"all"], [b"a" * 100, b"b" * 100, b"c"]])
def test_what_was_read_from_front_to_back_is_kept(tmp_path: Path, parts: list[bytes]) -> None:
    cache = CacheFolder(tmp_path, 1000)
    keep(cache, "key", *parts)
    assert held(cache, "key") == held(CacheFolder(tmp_path, 1000), "key") == b"".join(parts)
    assert held(cache, "other") is None


@pytest.mark.parametrize("size", [6, 4])
def test_what_was_not_read_to_its_end_is_not_kept(tmp_path: Path, size: int) -> None:
    cache = CacheFolder(tmp_path, 1000)
    keep(cache, "key", b"one", b"tw", size=size)
    assert held(cache, "key") is None
    assert files(tmp_path) == []


def test_what_was_read_here_and_there_is_not_kept(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path, 1000)
    keeping = cache.keeping("key", FileStatus(9, ARRIVED))
    assert keeping
    for start, data in ((0, b"one"), (6, b"tri"), (3, b"two")):
        keeping.take(start, memoryview(data))
    keeping.end()
    assert held(cache, "key") is None
    assert files(tmp_path) == []


def test_of_too_much_that_goes_which_was_not_opened_for_the_longest_time(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path, 1000)
    for number in range(10):
        keep(cache, f"key{number}", b"x" * 100)
        time.sleep(0.002)
    assert held(cache, "key0")
    keep(cache, "new", b"x" * 100)
    assert held(cache, "key0")
    assert held(cache, "new")
    assert held(cache, "key1") is None
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 1000


def test_what_would_fill_it_alone_is_not_kept(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path, 1000)
    keep(cache, "small", b"x")
    keep(cache, "large", b"x" * 950)
    assert held(cache, "large") is None
    assert held(cache, "small") == b"x"


def test_what_was_written_before_a_start_of_the_system_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(CacheFolder(tmp_path, 1000), "key", b"x" * 600)
    (tmp_path / "boot_id").write_text("another\n")
    monkeypatch.setattr(cache_module, "_START", tmp_path / "boot_id")
    cache = CacheFolder(tmp_path / ".", 1000)
    assert held(cache, "key") is None
    keep(cache, "key", b"y" * 600)
    assert held(cache, "key") == b"y" * 600
    assert [path.stat().st_size for path in files(tmp_path) if path.name != "boot_id"] == [600]


def test_a_folder_that_fails_is_as_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = CacheFolder(tmp_path / "file" / "cache", 1000)
    keep(cache, "key", b"one", b"two")
    assert held(cache, "key") is None
    cache.remove("key")
