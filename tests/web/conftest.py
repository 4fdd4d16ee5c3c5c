"""A node that answers DICOMweb, with pydicom's samples in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Sample, minipacs, running_node, samples
from support.checks.dicomweb import TABLES, Web
from support.data.samples import sample_at


def copied(sample: Sample, folder: Path) -> Sample:
    """A copy under another UID of the same length."""
    uid = sample.sop_instance_uid
    fresh = uid[:-3].rstrip(".") + f"{100 + int(folder.name):d}"
    folder.mkdir()
    path = folder / sample.path.name
    data = sample.path.read_bytes().replace(uid.encode(), fresh.ljust(len(uid), "7").encode())
    path.write_bytes(data)
    found = sample_at(path)
    assert found
    return found


@pytest.fixture(scope="session")
def held_samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """The samples that a node takes; of several of one instance the others are given other UIDs."""
    folder, seen, found = tmp_path_factory.mktemp("samples"), set[str](), list[Sample]()
    for number, sample in enumerate(samples()):
        uid = sample.sop_instance_uid
        if sample.uids[2] != uid or not all(sample.uids):
            continue
        if uid in seen:
            sample = copied(sample, folder / str(number))
            if sample.uids[2] != sample.sop_instance_uid or sample.sop_instance_uid in seen:
                continue  # it lies deflated there
        seen.add(sample.sop_instance_uid)
        found.append(sample)
    return found


@pytest.fixture(scope="package")
def web(tmp_path_factory: pytest.TempPathFactory, held_samples: list[Sample]) -> Iterator[Web]:
    """A node with the samples; what a test stores beside them is of other studies."""
    folder: Path = tmp_path_factory.mktemp("web")
    with running_node(folder, TABLES) as node:
        minipacs("import", node, *(str(one.path) for one in held_samples))
        yield Web(node)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Web]:
    """A node that holds nothing."""
    with running_node(tmp_path / "empty", TABLES) as node:
        yield Web(node)
