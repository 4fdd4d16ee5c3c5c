"""Instances that clients of other projects send and get: of several kinds and encodings."""

from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from support import RunningNode, Sample, samples, send

_NAMES = (
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_rle_2frame.dcm",
    "examples_ybr_color.dcm",
    "liver_1frame.dcm",
    "reportsi.dcm",
)


def pictures() -> dict[str, Sample]:
    """By SOP Instance UID, each of a study of its own."""
    found = {sample.name: sample for sample in samples()}
    return {found[name].uids[2]: found[name] for name in _NAMES}


def send_pictures(node: RunningNode) -> None:
    """Store all of them."""
    sent = pictures()
    contexts = dict.fromkeys((s.sop_class_uid, s.transfer_syntax_uid) for s in sent.values())
    with node.association(*contexts) as association:
        for uid, one in sent.items():
            answer = send(
                association, one.sop_class_uid, uid, one.data_set, one.transfer_syntax_uid
            )
            assert answer.Status == 0x0000


def frames(data_set: Dataset) -> list[bytes]:
    """The pixels as they are encoded, of each frame; of native ones all in one. None: empty."""
    if "PixelData" not in data_set:
        return []
    pixels = data_set.PixelData
    if not data_set.file_meta.TransferSyntaxUID.is_encapsulated:
        return [pixels]
    number = int(data_set.get("NumberOfFrames") or 1)
    return list(generate_frames(pixels, number_of_frames=number))


def parsed(file: bytes) -> Dataset:
    """A file of Part 10."""
    return dcmread(BytesIO(file))
