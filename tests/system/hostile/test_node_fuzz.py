"""Mutated associations, messages, data sets and identifiers: survived, answered or ended in time.

What found a bug is kept in tests/regressions/. An input of a run that failed can be had again by
`--fuzz-seed`, which is in the failure, and its number.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    ECHO,
    EXPLICIT,
    FIND,
    IMPLICIT,
    ROOT,
    Sample,
    destination,
    free_port,
    running_node,
)
from support.fuzzing import identifiers
from support.fuzzing.campaign import LIMITS, Campaign
from support.fuzzing.crafted import Association, Inputs
from support.fuzzing.data_sets import TEXTS, UIDS, Encoding
from support.fuzzing.exchange import exchange
from support.fuzzing.mutations import Input
from support.fuzzing.recorded_clients import record
from support.fuzzing.recordings import Recording, held_samples
from support.names import examples
from support.network.plain_peer import Wire
from support.network.wire import RELEASE, RELEASED, command_set, message, messages, request, us

from storage.dicom.values.attributes import TABLE

# Success, too many matches, an identifier that does not fit, one that cannot be read.
FINAL = {0x0000, 0xA700, 0xA900, 0xC000}
REGRESSIONS = sorted((ROOT / "tests" / "regressions").glob("*.bin"))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """A node of two workers that holds the samples, in a folder where all else would show."""
    top = tmp_path_factory.mktemp("fuzz")
    folder = top / "a" / "b"
    folder.parent.mkdir()
    with destination("PEER") as (_, port):
        peers = {
            "PEER": {"host": "127.0.0.1", "port": port},
            "DOWN": {"host": "127.0.0.1", "port": free_port()},
        }
        tables = {
            "node": {"workers": 2},
            "limits": LIMITS,
            "peers": peers,
            "audit": {"address_lines": 0},  # a second file, and so a descriptor more
        }
        with running_node(folder, tables) as node:
            yield Campaign(node, top)


@pytest.fixture(scope="module")
def recordings(campaign: Campaign, tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    """What real clients send to it."""
    return record(campaign.node, tmp_path_factory.mktemp("clients") / "got")


def test_every_service_was_recorded(recordings: list[Recording]) -> None:
    sent = {held.number(0x0100) for one in recordings for _, held in one.messages}
    assert sent >= {0x0001, 0x0010, 0x0020, 0x0021, 0x0030, 0x0130, 0x8001}
    assert all(one.pdus[-1] == RELEASE for one in recordings)


def test_an_input_is_the_same_for_the_same_seed(recordings: list[Recording]) -> None:
    one, other = Inputs(recordings), Inputs(recordings)
    made = [one.make("seed", number) for number in range(200)]
    assert made == [other.make("seed", number) for number in range(200)]
    assert len({(made_one.opening, made_one.rest) for made_one in made}) > 190


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_found_a_bug_once_is_survived(campaign: Campaign, path: Path) -> None:
    node, mark = campaign.node, campaign.node.mark()
    result = exchange(node.port, Input.unpacked(path.stem, path.read_bytes()))
    assert result.in_time
    assert node.echoes()
    assert not node.bugs(mark), "\n".join(node.bugs(mark))
    assert node.logged("died", after=mark) == []


@pytest.fixture(scope="module")
def querying() -> tuple[dict[tuple[str, str], int], dict[str, bytes]]:
    """Contexts for every query, and the A-ASSOCIATE-RQ by what is negotiated about matching."""
    association = Association(held_samples(), plain=True)
    plain, extended = association.requests
    return association.contexts, {"hierarchical": plain, "relational": extended}


KEYS = [(int(a.tag), a.vr) for a in TABLE] + [
    (tag, vr) for tag in identifiers.OTHER_TAGS for vr in identifiers.OTHER_VRS
]
VALUES = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(UIDS),
    st.binary(max_size=80),
    st.text(alphabet="*?\\^=-. AaÄ09", max_size=20).map(str.encode),
    st.lists(st.sampled_from([b"CT", b"M*", b"1.2", b"", b"20240101-"])).map(b"\\".join),
)


@settings(deadline=None, database=None, derandomize=True, max_examples=examples(300))
@given(
    level=st.sampled_from(identifiers.LEVELS),
    keys=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=20),
    held=st.sampled_from(held_samples()),
    implicit=st.booleans(),
    root=st.sampled_from(sorted(FIND)),
    matching=st.sampled_from(["hierarchical", "relational"]),
)
def test_any_identifier_gets_a_final_response_and_the_association_goes_on(
    campaign: Campaign,
    querying: tuple[dict[tuple[str, str], int], dict[str, bytes]],
    level: str,
    keys: dict[tuple[int, str], bytes],
    held: Sample,
    implicit: bool,
    root: str,
    matching: str,
) -> None:
    contexts, requests = querying
    identifier = identifiers.of(Encoding(implicit), level, held.uids, keys)
    context = contexts[FIND[root], IMPLICIT if implicit else EXPLICIT]
    command = command_set(request(0x0020, FIND[root], True, (0x0700, us(0))))
    echo = message(contexts[ECHO, IMPLICIT], command_set(request(0x0030, ECHO, False)))
    with Wire(campaign.node.port) as wire:
        wire.associate(requests[matching]).send(message(context, command, identifier) + echo)
        statuses = []
        for answer in messages(iter(wire.receive, b"")):
            if answer.number(0x0100) == 0x8030:
                break
            statuses.append(answer.number(0x0900))
        wire.send(RELEASE)
        assert wire.receive() == RELEASED
    assert statuses[-1] in FINAL
    assert set(statuses[:-1]) <= {0xFF00, 0xFF01}


@pytest.mark.parametrize(
    "count", [600, pytest.param(50_000, marks=pytest.mark.long)], ids=lambda count: str(count)
)
def test_mutated_input_is_survived(
    campaign: Campaign, recordings: list[Recording], pytestconfig: pytest.Config, count: int
) -> None:
    seed = str(pytestconfig.getoption("--fuzz-seed"))
    print(f"--fuzz-seed {seed}")
    inputs = Inputs(recordings)
    print(campaign.run(lambda number: inputs.make(seed, number), count))


def test_all_that_was_acknowledged_is_there_and_nothing_is_where_it_should_not_be(
    campaign: Campaign,
) -> None:
    """The last: it ends the node."""
    campaign.finish()
