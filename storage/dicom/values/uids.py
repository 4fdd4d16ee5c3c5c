"""UIDs: what is one, and the three by which an instance is named."""

import re
from collections.abc import Iterable

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_description
from pydicom.tag import Tag
from pydicom.uid import (
    VideoEndoscopicImageStorage,
    VideoMicroscopicImageStorage,
    VideoPhotographicImageStorage,
)

from storage.diagnostics import MismatchError

# Transfer syntaxes of PS3.6 that pydicom does not list yet. pynetdicom adds them to its table. So
# does the archive, or what a command knows would depend on whether it has loaded the network.
UID_dictionary.update(
    {
        uid: (name, "Transfer Syntax", "", "", "".join(name.split()))
        for uid, name in (
            ("1.2.840.10008.1.2.4.110", "JPEG XL Lossless"),
            ("1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression"),
            ("1.2.840.10008.1.2.4.112", "JPEG XL"),
            ("1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression"),
        )
    }
)

Uids = tuple[str, str, str]  # Study, Series and SOP Instance UID
UID_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")

# SOP classes of which each instance is in one of several forms of video, and cannot change it.
VIDEO_CLASSES = (
    str(VideoEndoscopicImageStorage),
    str(VideoMicroscopicImageStorage),
    str(VideoPhotographicImageStorage),
)

_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_MAX_UID = 64


def check_uid(keyword: str, uid: str) -> None:
    """Raise MismatchError where `uid` is not digits and dots, 64 at most (PS3.5 9.1).

    Leading zeros in a component are against PS3.5 9.1, yet senders in the field write them;
    they do no harm in a path, which is all that is refused here.
    """
    if _UID.fullmatch(uid) and len(uid) <= _MAX_UID:
        return
    name, tag = dictionary_description(keyword), Tag(keyword)
    if not uid:
        raise MismatchError(f"No {name} in the data set", tag)
    if len(uid) > _MAX_UID:
        raise MismatchError(f"{name} is longer than {_MAX_UID} characters", tag)
    raise MismatchError(f"{name} is not digits and dots: {uid!r}", tag)


def are_uids(values: Iterable[str]) -> bool:
    """Whether each of them is a UID."""
    try:
        for value in values:
            check_uid(UID_KEYWORDS[0], value)
    except MismatchError:
        return False
    return True
