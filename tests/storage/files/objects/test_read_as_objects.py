"""Who reads the files of instances gets of objects what the folder tree gives."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from obstore.store import MemoryStore
from support import samples

from scp.copies.corrected import AsCorrected, transcode_file
from scp.copies.corrected.transcode import reachable
from storage import Archive, Level, Location, Received, prepare
from storage.archive import fault_of
from storage.archive.finding.header_reader import HeaderReader
from storage.files import FileFacts
from storage.files.objects.object_files import ObjectFiles
from storage.files.objects.remote import RemoteStore
from storage.files.objects.shared_folder import SharedFolder
from storage.maintenance.changes import correction
from storage.maintenance.changes.selections import Selection, selected

CHARSET = "ISO_IR 100"
SAMPLES = [
    one for one in samples() if all(one.uids) and one.uids[2] == one.sop_instance_uid
][:12]  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    data = tmp_path_factory.mktemp("objects") / "data"
    prepare(data, sync=False, charset=CHARSET)
    made = Archive(data, sync=False)
    for one in SAMPLES:
        made.store(Received(
            one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, one.data_set, CHARSET
        ))  # fmt: skip
    yield made
    made.close_thread()
    made.journal.close()


@pytest.fixture(scope="module", params=["memory", "folder"])
def both(
    request: pytest.FixtureRequest, archive: Archive, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ObjectFiles, list[tuple[Location, Location]]]:
    """Objects of all files, and the rows of each instance: without a key, and with one."""
    folder = tmp_path_factory.mktemp("shared")
    store = (
        SharedFolder(folder) if request.param == "folder" else RemoteStore(MemoryStore(), "memory")
    )
    store.adopt("archive")
    files, rows = ObjectFiles(archive.tree.data, store), []
    for study in {one.uids[0] for one in SAMPLES}:
        for row in selected(archive, Selection(Level.STUDY, study)):
            facts = FileFacts(row.transfer_syntax_uid, row.file_bytes, row.digest, row.charset)
            with archive.tree.open(row.uids) as file:
                key = files.put(row.uids, [file.read()], facts)
            rows.append((row, replace(row, key=key)))
    assert len(rows) == len({one.uids for one in SAMPLES})
    return files, rows


Both = tuple[ObjectFiles, list[tuple[Location, Location]]]


def test_copies_are_the_same(archive: Archive, both: Both) -> None:
    of_tree, of_objects = AsCorrected(archive.tree, "NODE"), AsCorrected(both[0], "NODE")
    for row, with_key in both[1]:
        with of_tree.open(row).file as one, of_objects.open(with_key).file as two:
            assert one.read() == two.read()
        assert of_objects.fault_of(with_key) == of_tree.fault_of(row) == ""


def test_copies_in_another_transfer_syntax_are_the_same(archive: Archive, both: Both) -> None:
    files, rows = both
    for row, with_key in rows:
        for target in reachable(row.transfer_syntax_uid)[:1]:
            with (
                archive.tree.open(row.uids) as one,
                files.open(row.uids, with_key.key) as two,
                transcode_file(one, target) as first,
                transcode_file(two, target) as second,
            ):
                assert first.read() == second.read()


def test_headers_are_the_same(archive: Archive, both: Both) -> None:
    files, rows = both
    tags = frozenset([0x00080016, 0x00280010, 0x00100010])
    with ThreadPoolExecutor(2) as threads:
        of_tree = HeaderReader(archive.tree, tags, threads)
        of_objects = HeaderReader(files, tags, threads)
        numbered = list(enumerate(rows))
        plain = dict(of_tree.beginnings({number: row for number, (row, _) in numbered}))
        keyed = dict(of_objects.beginnings({number: row for number, (_, row) in numbered}))
        assert plain == keyed
        for number, (row, with_key) in numbered:
            assert plain[number]
            assert of_tree.header(row, plain[number]) == of_objects.header(with_key, plain[number])


def test_what_is_damaged_or_gone_is_told(both: Both) -> None:
    files, rows = both
    _, row = rows[0]
    assert fault_of(files, replace(row, key="")) == "in the index, but not in the tree"
    other = next(one for _, one in rows if one.file_bytes != row.file_bytes)
    assert fault_of(files, replace(row, key=other.key))
    assert row.key in files.name(row.uids, row.key)


def test_corrected_copies_are_the_same(archive: Archive, both: Both) -> None:
    of_tree, of_objects = AsCorrected(archive.tree, "NODE"), AsCorrected(both[0], "NODE")
    row, with_key = both[1][0]
    number = correction.correct(
        archive.tree, (Level.STUDY, row.uids[0]), {"PatientName": "Doe^Jané"}, user="me",
        before={}, reason="why",
    ).number  # fmt: skip
    try:
        with of_tree.open(row).file as one, of_objects.open(with_key).file as two:
            assert b"Doe^Jan" in (copy := two.read())
            assert one.read() == copy
    finally:
        correction.undo(archive.tree, number, "me")
