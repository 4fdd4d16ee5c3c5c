"""From a data set to the values that the index holds: pure, and only as far as it needs."""

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from pydicom.datadict import dictionary_description
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from storage import charsets, values
from storage.attributes import TABLE
from storage.errors import DataSetError, MismatchError

CHARACTER_SET = Tag(0x0008, 0x0005)
_ASCII = charsets.charset("")
_STORED = [attribute for attribute in TABLE if attribute.stored]
_TAGS: list[BaseTag | int] = [CHARACTER_SET, *(attribute.tag for attribute in _STORED)]
_LAST_TAG = max(_TAGS)
# Transfer syntaxes that deflate the data set as a whole (PS3.5 A.5, A.7, A.9): Deflated Explicit
# VR Little Endian, JPIP Referenced Deflate, JPIP HTJ2K Referenced Deflate.
DEFLATED = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
)
# A header that does not fit into this many bytes of a deflated data set is not one.
_DEFLATED_HEADER_BYTES = 64 * 1024 * 1024
_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
UID_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True)
class Header:
    """What the index needs of one instance: attribute keyword -> text."""

    values: Mapping[str, str]

    def __getitem__(self, keyword: str) -> str:
        return self.values[keyword]

    @property
    def uids(self) -> tuple[str, str, str]:
        """The Study, Series and SOP Instance UID."""
        study, series, instance = (self.values[keyword] for keyword in UID_KEYWORDS)
        return study, series, instance


def header(source: BinaryIO, transfer_syntax: str, charset: str) -> Header:
    """Read the header of the data set that starts where `source` stands.

    `charset` is the Specific Character Set to assume for text that names none. Raises
    DataSetError where the data set cannot be read, MismatchError where a UID that storage needs is
    missing or not a UID.
    """
    data_set = read_data_set(source, transfer_syntax, _TAGS, _LAST_TAG)
    texts = text_values(data_set, (attribute.tag for attribute in _STORED), charset)
    found = {attribute.keyword: texts[attribute.tag] for attribute in _STORED}
    for keyword in (*UID_KEYWORDS, "SOPClassUID"):
        check_uid(keyword, found[keyword])
    return Header(found)


def read_data_set(
    source: BinaryIO,
    transfer_syntax: str,
    tags: list[BaseTag | int] | None = None,
    last_tag: int = 0xFFFFFFFF,
) -> Dataset:
    """The elements of a data set up to `last_tag`, undecoded; only `tags` where given.

    Raises DataSetError where `source` is not a data set in `transfer_syntax`.
    """
    syntax = UID(transfer_syntax)
    try:
        if transfer_syntax in DEFLATED:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            source = BytesIO(inflater.decompress(source.read(), _DEFLATED_HEADER_BYTES))
        return read_dataset(
            source,
            syntax.is_implicit_VR,
            syntax.is_little_endian,
            stop_when=lambda tag, vr, length: tag > last_tag,
            specific_tags=tags,
        )
    except Exception as error:  # whatever a hostile or broken data set makes the reader raise
        raise DataSetError(f"The data set cannot be read: {error}") from error


def raw_element(data_set: Dataset, tag: BaseTag) -> RawDataElement | None:
    """The undecoded element, or None where it is absent or a sequence."""
    raw = data_set.get_item(tag) if tag in data_set else None
    return raw if isinstance(raw, RawDataElement) else None


def text_values(data_set: Dataset, tags: Iterable[BaseTag], charset: str) -> dict[BaseTag, str]:
    """The values of `tags` as text, empty where absent; `charset` is for text that names none."""
    terms = raw_element(data_set, CHARACTER_SET)
    named = charsets.charset(values.text_of(terms, _ASCII) if terms else "", charset)
    little_endian = data_set.original_encoding[1] is not False
    raws = {tag: raw_element(data_set, tag) for tag in tags}
    return {t: values.text_of(raw, named, little_endian) if raw else "" for t, raw in raws.items()}


def check_uid(keyword: str, uid: str) -> None:
    """Raise MismatchError where `uid` is not digits and dots, 64 at most (PS3.5 9.1).

    Leading zeros in a component are against PS3.5 9.1, yet senders in the field write them;
    they do no harm in a path, which is all that is refused here.
    """
    name, tag = dictionary_description(keyword), Tag(keyword)
    if not uid:
        raise MismatchError(f"No {name} in the data set", tag)
    if len(uid) > 64:
        raise MismatchError(f"{name} is longer than 64 characters", tag)
    if not _UID.fullmatch(uid):
        raise MismatchError(f"{name} is not digits and dots: {uid!r}", tag)
