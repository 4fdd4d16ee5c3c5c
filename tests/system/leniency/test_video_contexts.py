"""C-GET of video over one presentation context: it is accepted in what the video is held in."""

from pathlib import Path

from pydicom.uid import (
    HEVCMP51,
    MPEG2MPML,
    MPEG4HP41,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    VideoEndoscopicImageStorage,
    VideoPhotographicImageStorage,
)
from pynetdicom import AE, build_role, evt
from pynetdicom.presentation import build_context
from support import GET, Inbox, RunningNode, ct, encoded, identifier, retrieved, running_node, send
from support.network.raw import encapsulated

from storage.index.counts import _VIDEO_SYNTAXES
from storage.index.tables import open_index

VIDEO, OTHER_VIDEO = str(VideoEndoscopicImageStorage), str(VideoPhotographicImageStorage)
EXPLICIT, IMPLICIT = str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)
MPEG2, MPEG4, HEVC = str(MPEG2MPML), str(MPEG4HP41), str(HEVCMP51)


def video(study: str, number: int) -> bytes:
    """The data set of a video of a few bytes."""
    made = ct(study, f"{study}.1", f"{study}.1.{number}", SOPClassUID=VIDEO)
    del made.PixelData
    return encoded(made) + encapsulated([b"\0\0\1\xb3" + bytes([number, 0])])


def got(node: RunningNode, study: str, offered: list[str]) -> tuple[str, list[bytes]]:
    """The syntax in which a context that offers several is accepted, and what comes over it."""
    inbox, entity = Inbox(), AE()
    entity.requested_contexts = [
        build_context(GET["STUDY"], EXPLICIT), build_context(VIDEO, offered),
    ]  # fmt: skip
    association = entity.associate(
        "127.0.0.1", node.port, ae_title="MINIPACS", ext_neg=[build_role(VIDEO, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, inbox.take)],
    )  # fmt: skip
    (context,) = (cx for cx in association.accepted_contexts if cx.abstract_syntax == VIDEO)
    query = identifier("STUDY", StudyInstanceUID=study)
    retrieved(association.send_c_get(query, GET["STUDY"]))
    association.release()
    return str(context.transfer_syntax[0]), list(inbox.data_sets().values())


def test_of_several_syntaxes_that_of_the_video_is_accepted(tmp_path: Path) -> None:
    everything = [EXPLICIT, IMPLICIT, MPEG2, HEVC, MPEG4]
    with running_node(tmp_path / "node") as node:
        assert got(node, "1.1", everything) == (EXPLICIT, [])  # nothing is held
        with node.association((VIDEO, MPEG4), (VIDEO, MPEG2)) as association:
            for study, number, syntax in (("1.1", 1, MPEG4), ("1.2", 2, MPEG2)):
                for copy in range(2 if syntax == MPEG4 else 1):
                    uid = f"{study}.1.{number + copy * 10}"
                    data = video(study, number + copy * 10)
                    assert send(association, VIDEO, uid, data, syntax).Status == 0x0000
        assert got(node, "1.1", everything) == (MPEG4, [video("1.1", 1), video("1.1", 11)])
        assert got(node, "1.2", [EXPLICIT, MPEG2, HEVC]) == (MPEG2, [video("1.2", 2)])
        assert got(node, "1.2", [IMPLICIT, HEVC, EXPLICIT])[0] == EXPLICIT
        assert got(node, "1.1", [MPEG4])[0] == MPEG4


def test_what_is_held_of_video_is_read_from_an_index_of_it_alone(tmp_path: Path) -> None:
    index = open_index(tmp_path / "index.sqlite", sync=False)
    index.create()
    plan = index.engine.execute(f"EXPLAIN QUERY PLAN {_VIDEO_SYNTAXES}", (OTHER_VIDEO,))
    assert "USING COVERING INDEX" in str(plan[0])
