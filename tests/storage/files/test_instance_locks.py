"""Places of instances that are locked: by one at a time, over files that are kept open."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.diagnostics import ResourceError
from storage.files.locks import instance_locks
from storage.files.locks.instance_locks import hold

SECONDS = 30.0
FIRST, SECOND = ("1.1", "1.2", "1.3"), ("1.1", "1.2", "1.4")


@pytest.fixture(autouse=True)
def own_descriptors() -> Iterator[None]:
    instance_locks._forget()
    yield
    instance_locks._forget()


def is_locked(data: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a place is held by another, as one finds who asks for it now."""
    with monkeypatch.context() as patch:
        patch.setattr(instance_locks, "LOCK_SECONDS", 0.0)
        try:
            with hold(data, [FIRST]):
                return False
        except ResourceError:
            return True


def descriptors() -> list[int]:
    return [one.descriptor for one in instance_locks._idle]


def test_the_file_is_opened_once_by_who_locks_one_after_another(tmp_path: Path) -> None:
    for _ in range(5):
        with hold(tmp_path, [FIRST, SECOND]):
            assert descriptors() == []
    assert len(descriptors()) == 1


def test_who_holds_a_place_keeps_others_out_and_then_lets_them_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold(tmp_path, [FIRST]):  # so that a descriptor is kept
        pass
    with hold(tmp_path, [SECOND, FIRST]):
        assert is_locked(tmp_path, monkeypatch)
    assert not is_locked(tmp_path, monkeypatch)
    with hold(tmp_path, None):
        assert is_locked(tmp_path, monkeypatch)
    assert not is_locked(tmp_path, monkeypatch)


def test_many_at_once_have_a_descriptor_each_and_few_of_these_stay(tmp_path: Path) -> None:
    count = 3 * instance_locks._MOST_IDLE
    inside = threading.Barrier(count)

    def work(number: int) -> None:
        with hold(tmp_path, [("1.1", "1.2", f"1.{number}")]):
            inside.wait(SECONDS)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(descriptors()) == instance_locks._MOST_IDLE


def test_a_file_that_another_took_the_place_of_is_not_locked_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold(tmp_path, [FIRST]):
        pass
    (before,) = descriptors()
    (tmp_path / "lock").unlink()
    with hold(tmp_path, [FIRST]):
        assert (tmp_path / "lock").exists()
        assert os.path.samestat(os.fstat(before), (tmp_path / "lock").stat())  # it was closed
        instance_locks._forget()
        assert is_locked(tmp_path, monkeypatch)


def test_another_folder_has_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    with hold(one, [FIRST]):
        pass
    with hold(other, [FIRST]):
        assert not is_locked(one, monkeypatch)
        assert is_locked(other, monkeypatch)


def test_a_forked_process_keeps_none_and_shares_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold(tmp_path, [FIRST]):
        pass
    with hold(tmp_path, [SECOND]):
        child = os.fork()
        if not child:
            os._exit(0 if not descriptors() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ready, go_on = os.pipe(), os.pipe()
    with hold(tmp_path, [FIRST]):
        child = os.fork()
        if not child:  # it was forked while the place was locked, and lives on
            os.write(ready[1], b"1")
            os.read(go_on[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
    assert not is_locked(tmp_path, monkeypatch)
    os.write(go_on[1], b"1")
    os.waitpid(child, 0)
    for descriptor in (*ready, *go_on):
        os.close(descriptor)
