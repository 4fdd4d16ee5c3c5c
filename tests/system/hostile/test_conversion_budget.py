"""What conversions take is bounded over all of the node, and they take turns frame by frame."""

import os
import signal
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pynetdicom import evt
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from support import GET, RunningNode, StartNode, identifier, send
from support.data.images import DEFLATED, EXPLICIT, IMPLICIT, RLE, SAMPLES, Store, image, store_in
from support.network.raw import encapsulated, ex, rle

from scp.config.schema import Limits
from scp.copies.conversion.data_set.errors import GoneError, LimitError, TranscodeError
from scp.copies.conversion.limits.budget import BUDGET, Conversion, Receiver
from scp.copies.conversion.limits.shares import Shares
from scp.copies.conversion.limits.spool import Spool
from scp.copies.conversion.limits.turns import Turns, TurnShare
from scp.copies.conversion.pixels import decoder_client, fragments, frame_decoding
from scp.copies.corrected.transcode import transcode, transcode_file

_MIB = 1 << 20
SC = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def stored(tmp_path: Path) -> Store:
    return store_in(tmp_path)


@pytest.fixture
def budget(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Sets limits; afterwards nothing is taken any more, and they are as they were."""
    folder = BUDGET.folder

    def set_to(**limits: float) -> None:
        (tmp_path / "incoming").mkdir(exist_ok=True)
        BUDGET.set(tmp_path, Limits.model_validate({"free_bytes": 0, **limits}))

    set_to()
    yield set_to
    assert [shares.taken() for shares in (BUDGET.memory, BUDGET.spools, BUDGET.space)] == [0, 0, 0]
    set_to()
    BUDGET.folder = folder


def never() -> None:
    """What is called while something waits, which here nothing should."""
    raise AssertionError("it waits")


def zeros(rows: int, columns: int) -> bytes:
    """A frame of RLE that is a hundredth of what it becomes."""
    coded = bytes([129, 0]) * (rows * columns // 128)
    return rle(b"")[:64] + coded


# ---- amounts that processes share


def test_no_more_is_taken_than_there_is_and_what_a_dead_process_had_is_free() -> None:
    shares = Shares(160)
    shares.take(100, False, never)
    child = os.fork()
    if not child:
        taken = shares.take_at_once(60) and not shares.take_at_once(1) and shares.taken() == 160
        os._exit(0 if taken else 1)  # with what it has
    assert os.waitpid(child, 0)[1] == 0
    assert shares.taken() == 100
    shares.take(60, True, never)
    shares.give_back(160)
    assert shares.taken() == 0


def test_what_is_kept_for_small_ones_no_large_one_gets() -> None:
    shares = Shares(160)
    shares.take(shares.most, False, never)
    with pytest.raises(AssertionError, match="it waits"):
        shares.take(1, False, never)
    shares.take(160 - shares.most, True, never)


def test_a_large_one_that_waits_is_not_passed_by_another_and_is_by_small_ones() -> None:
    shares, waits, served = Shares(160), threading.Event(), list[str]()
    shares.take(100, False, never)

    def take() -> None:
        shares.take(120, False, waits.set)
        served.append("first")
        shares.give_back(120)

    thread = threading.Thread(target=take)
    thread.start()
    waits.wait()
    with pytest.raises(AssertionError, match="it waits"):
        shares.take(1, False, never)
    shares.take(10, True, never)
    shares.give_back(110)
    thread.join()
    shares.take(1, False, never)
    assert served == ["first"]


# ---- turns


def test_who_comes_anew_is_before_who_has_had_much() -> None:
    turns, order = Turns(), list[str]()
    greedy = TurnShare({turns: 10.0})

    def take(name: str, share: TurnShare) -> None:
        with turns.turn(share, lambda: None):
            order.append(name)

    with turns.turn(TurnShare(), never):
        threads = []
        for name, share in (("greedy", greedy), ("second", TurnShare()), ("third", TurnShare())):
            threads.append(threading.Thread(target=take, args=(name, share)))
            threads[-1].start()
            while len(turns._waiting) < len(threads):
                pass
    for thread in threads:
        thread.join()
    assert order == ["second", "third", "greedy"]


def test_who_comes_anew_again_and_again_does_not_starve_the_others() -> None:
    """The clock goes on with the turns: who comes anew begins where it stands."""
    turns = Turns()
    waits = TurnShare({turns: 1.0})
    turns._clock = 1.5
    with turns.turn(waits, never):
        pass
    assert waits.had[turns] >= 1.5  # and gains nothing by having waited


def test_who_wants_no_more_leaves_the_queue() -> None:
    turns = Turns()

    def leave() -> None:
        raise GoneError

    with turns.turn(TurnShare(), never), pytest.raises(GoneError), turns.turn(TurnShare(), leave):
        pass
    with turns.turn(TurnShare(), never):
        pass


# ---- conversions


def test_a_frame_that_needs_too_much_memory_is_not_decoded(
    stored: Store, budget: Callable[..., None]
) -> None:
    path = stored(image([zeros(8192, 8192)], rows=8192, columns=8192), RLE)
    budget(conversion_memory=128 * _MIB)
    with pytest.raises(LimitError, match=r"^\[limits\] conversion_memory = 134217728: it needs"):
        transcode(path, EXPLICIT)


def test_what_needs_too_much_space_is_not_converted(
    stored: Store, budget: Callable[..., None]
) -> None:
    path = stored(image([zeros(1024, 1024)] * 40, rows=1024, columns=1024), RLE)
    budget(conversion_space=20 * _MIB)
    with pytest.raises(LimitError, match=r"^\[limits\] conversion_space = 20971520: it needs"):
        transcode(path, EXPLICIT)
    budget(free_bytes=1 << 62)
    with pytest.raises(LimitError, match=r"^\[limits\] free_bytes = "):
        transcode(path, EXPLICIT)


def test_what_inflates_to_too_much_is_not_converted(
    stored: Store, budget: Callable[..., None]
) -> None:
    data = ex(0x7FE00010, "OB", bytes(40 * _MIB))
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    path = stored(deflater.compress(data) + deflater.flush(), DEFLATED)
    budget(conversion_space=60 * _MIB)  # for what it inflates to, and not for the other too
    with pytest.raises(LimitError, match=r"^\[limits\] conversion_space = "):
        transcode(path, IMPLICIT)
    budget(conversion_space=200 * _MIB)
    transcode(path, IMPLICIT).close()


def test_what_takes_too_long_ends(stored: Store, budget: Callable[..., None]) -> None:
    path = stored(image([rle(bytes(64))] * 50, rows=8, columns=8), RLE)
    budget(conversion_seconds=1e-9)
    with pytest.raises(LimitError, match=r"^\[limits\] conversion_seconds = 1e-09: it takes"):
        transcode(path, EXPLICIT)


def test_temporary_files_lie_in_the_data_folder_and_have_no_names(
    tmp_path: Path, stored: Store, budget: Callable[..., None]
) -> None:
    path = stored(image([zeros(1024, 1024)] * 12, rows=1024, columns=1024), RLE)
    with transcode(path, EXPLICIT) as found:
        where = os.readlink(f"/proc/self/fd/{found.fileno()}")
        assert where.startswith(f"{tmp_path}/incoming/")
        assert BUDGET.space.taken() >= 12 * _MIB
    assert list((tmp_path / "incoming").iterdir()) == []


def test_small_ones_stay_in_memory_while_there_is_some(budget: Callable[..., None]) -> None:
    spools = [Spool(Conversion()) for _ in range(40)]
    for spool in spools:
        spool.write(bytes(_MIB))
    assert BUDGET.spools.taken() == BUDGET.spools.limit == 32 * _MIB
    assert BUDGET.space.taken() == 8 * _MIB
    for spool in spools:
        spool.seek(0)
        assert len(spool.read()) == _MIB
        spool.close()


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "JPGExtended.dcm", "693_J2KI.dcm"])
def test_a_conversion_that_fails_at_a_later_frame_gives_all_back(
    name: str, stored: Store, budget: Callable[..., None]
) -> None:
    held = SAMPLES[name].data_set
    with pytest.raises(TranscodeError):
        transcode(stored(held[: len(held) - 100], SAMPLES[name].transfer_syntax_uid), EXPLICIT)
    frames = [zeros(256, 256)] * 3
    with pytest.raises(TranscodeError, match="frame 4 cannot be decoded"):
        transcode(stored(image([*frames, rle(b"a")], rows=256, columns=256), RLE), EXPLICIT)


def test_a_conversion_ends_at_the_next_frame_when_its_receiver_is_gone(
    stored: Store, budget: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scp.copies.conversion.limits.budget._ASK_SECONDS", 0.0)
    decoded, chunks = list[int](), fragments.FrameSpans.chunks

    def counted(frame: fragments.FrameSpans) -> Iterator[bytes]:
        decoded.append(1)
        return chunks(frame)

    monkeypatch.setattr(fragments.FrameSpans, "chunks", counted)
    path = stored(image([zeros(64, 64)] * 500, rows=64, columns=64), RLE)
    with path.open("rb") as file, pytest.raises(GoneError):
        transcode_file(file, EXPLICIT, receiver=Receiver(lambda: len(decoded) >= 5))
    assert len(decoded) == 5


def test_a_small_conversion_comes_between_the_frames_of_a_large_one(
    tmp_path: Path, budget: Callable[..., None]
) -> None:
    for name in ("large", "small"):
        (tmp_path / name).mkdir()
    large = store_in(tmp_path / "large")(image([zeros(512, 512)] * 400, rows=512, columns=512), RLE)
    small = store_in(tmp_path / "small")(image([zeros(16, 16)], rows=16, columns=16), RLE)
    begun, over = threading.Event(), threading.Event()

    def is_gone() -> bool:
        begun.set()
        return over.is_set()

    def convert() -> None:
        with large.open("rb") as file:
            while not over.is_set():  # for as long as the others need
                try:
                    transcode_file(file, EXPLICIT, receiver=Receiver(is_gone)).close()
                except GoneError:
                    return
                file.seek(0)

    threads = [threading.Thread(target=convert) for _ in range(2)]
    for thread in threads:
        thread.start()
    begun.wait()
    try:
        for _ in range(5):
            transcode(small, EXPLICIT).close()
        assert all(thread.is_alive() for thread in threads)
    finally:
        over.set()
        for thread in threads:
            thread.join()


# ---- the processes that decode


def test_a_decoder_killed_over_a_frame_is_started_again(
    stored: Store, budget: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    transcode(SAMPLES["MR_small_RLE.dcm"].path, EXPLICIT).close()
    killed, chunks = list[int](), fragments.FrameSpans.chunks

    def kill(frame: fragments.FrameSpans) -> Iterator[bytes]:
        yield from chunks(frame)
        popen = decoder_client._process._popen
        if popen and not killed:
            killed.append(popen.pid)
            os.kill(popen.pid, signal.SIGSTOP)  # it has not taken the frame yet
            os.kill(popen.pid, signal.SIGKILL)

    monkeypatch.setattr(fragments.FrameSpans, "chunks", kill)
    path = stored(image([zeros(2048, 1024)] * 3, rows=2048, columns=1024), RLE)
    transcode(path, EXPLICIT).close()
    assert killed
    assert decoder_client._process._popen
    assert decoder_client._process._popen.pid != killed[0]


def test_a_frame_that_has_a_decoder_hang_ends_with_its_process(
    budget: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small one is tried among large ones once more, so that others do not wait for it."""
    monkeypatch.setattr(decoder_client, "_process", decoder_client._Process())
    monkeypatch.setattr(decoder_client, "_of_large", decoder_client._Process())
    with monkeypatch.context() as patch:
        patch.setattr(decoder_client, "_MODULE", "support.program.stuck_decoder")
        lanes, of = list[bool](), decoder_client.of
        patch.setattr(
            frame_decoding.decoder_client, "of", lambda small: (lanes.append(small), of(small))[1]
        )
        with pytest.raises(TranscodeError, match=f"ended over it .signal {int(signal.SIGXCPU)}"):
            transcode(SAMPLES["MR_small_RLE.dcm"].path, EXPLICIT)
        assert lanes == [True, False]
    transcode(SAMPLES["MR_small_RLE.dcm"].path, EXPLICIT).close()


# ---- the node


def got(node: RunningNode, study: str) -> tuple[list[str], int, str]:
    """What of a study comes by a C-GET in Explicit VR, with the last status and comment."""
    arrived: list[str] = []
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scp_role = SC, True

    def take(event: evt.Event) -> int:
        arrived.append(event.request.AffectedSOPInstanceUID)
        return 0x0000

    with node.association(
        (GET["STUDY"], EXPLICIT), (SC, EXPLICIT),
        ext_neg=[role], evt_handlers=[(evt.EVT_C_STORE, take)],
    ) as association:  # fmt: skip
        query = identifier("STUDY", StudyInstanceUID=study)
        *_, (last, _) = association.send_c_get(query, GET["STUDY"])
    return arrived, last.Status, last.get("ErrorComment", "")


def head(uid: str, study: str) -> bytes:
    """The UIDs of an instance, in front of its image."""
    uids = {0x00080016: SC, 0x00080018: uid, 0x0020000D: study, 0x0020000E: f"{study}.1"}
    return b"".join(
        ex(tag, "UI", value.encode() + b"\0" * (len(value) % 2))
        for tag, value in sorted(uids.items())
    )


def test_what_does_not_fit_fails_alone_and_says_which_setting_it_is(start_node: StartNode) -> None:
    node = start_node(limits={"conversion_memory": 64 * _MIB})
    frames = {"1.4.1": (zeros(8192, 8192), 8192), "1.4.2": (zeros(64, 64), 64)}
    with node.association((SC, RLE)) as association:
        for uid, (frame, side) in frames.items():
            data = head(uid, "1.2.1") + image([frame], rows=side, columns=side)
            assert send(association, SC, uid, data, RLE).Status == 0x0000
    arrived, status, comment = got(node, "1.2.1")
    assert (arrived, status) == (["1.4.2"], 0xB000)
    assert "[limits] conversion_memory" in comment
    node.wait_for_log("sub-operation failed", "instance=1.4.1", "conversion_memory = 67108864")
    node.configure({"limits": {"conversion_memory": 512 * _MIB}})
    node.reload()
    assert got(node, "1.2.1")[:2] == (["1.4.1", "1.4.2"], 0x0000)


def crafted() -> dict[str, bytes]:
    """Images that none of can be had uncompressed, in RLE; by what is wrong with them."""
    tiny = [b"\0"] * 20_000
    return {
        "Rows and Columns of 65535": image([zeros(64, 64)], rows=65535, columns=65535),
        "65535 Samples per Pixel": image([zeros(64, 64)], rows=64, columns=64, samples=65535),
        "Bits Allocated of 12": image([zeros(64, 64)], rows=64, columns=64, bits=(12, 8, 7)),
        "2147483647 frames": image([zeros(64, 64)], rows=64, columns=64, count=2**31 - 1),
        "-1 frames": image([zeros(64, 64)], rows=64, columns=64, count=-1),
        "no Rows": image([zeros(64, 64)], rows=64, columns=64, more={0x00280010: b""}),
        "no fragment": image([], rows=8, columns=8, count=1),
        "frames of a byte": image(tiny, rows=64, columns=64),
        "an offset table of anything": image(
            [], rows=8, columns=8, count=2,
            pixel_data=encapsulated(tiny, b"\xff" * (8 << 20)),
        ),
        "a fragment cut short": image([zeros(64, 64)], rows=64, columns=64)[:-16],
    }  # fmt: skip


def test_crafted_images_fail_each_by_itself_beside_who_echoes_and_converts(
    start_node: StartNode,
) -> None:
    node = start_node()
    frame = zeros(64, 64)
    images = crafted() | {
        "a frame in fragments of a byte": image(
            [], rows=64, columns=64, count=1,
            pixel_data=encapsulated(frame[at : at + 1] for at in range(len(frame))),
        ),
        "whole": image([frame], rows=64, columns=64),
    }  # fmt: skip
    numbers = {name: f"1.4.{number}" for number, name in enumerate(images, 1)}
    with node.association((SC, RLE)) as association:
        for name, data in images.items():
            data = head(numbers[name], "1.2.2" if name == "whole" else "1.2.1") + data
            assert send(association, SC, numbers[name], data, RLE).Status == 0x0000
    found: list[tuple[list[str], int, str]] = []
    thread = threading.Thread(target=lambda: found.append(got(node, "1.2.1")))
    thread.start()
    beside = 0
    while thread.is_alive() or not beside:
        assert got(node, "1.2.2")[:2] == ([numbers["whole"]], 0x0000)
        assert node.echoes()
        beside += 1
    thread.join()
    ((arrived, status, _),) = found
    assert (arrived, status) == ([numbers["a frame in fragments of a byte"]], 0xB000)
    for name in crafted():
        node.wait_for_log("sub-operation failed", f"instance={numbers[name]}:")
