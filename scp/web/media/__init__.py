"""Media types of PS3.18: which one is given, and what it is made of."""

from scp.web.media.accept import (
    JSON,
    XML,
    Choice,
    NotAcceptableError,
    choose_bulk,
    choose_capabilities,
    choose_dicom,
    choose_metadata,
    choose_pixels,
    choose_rendered,
    choose_report,
)
from scp.web.media.multipart import (
    CutShortError,
    IncomingPart,
    Part,
    UnsupportedTypeError,
    multipart,
    parts_of,
)
from scp.web.media.temporary import (
    data_set_json,
    data_set_xml,
    elements_answer,
    elements_list_answer,
)

__all__ = [
    "JSON",
    "XML",
    "Choice",
    "CutShortError",
    "IncomingPart",
    "NotAcceptableError",
    "Part",
    "UnsupportedTypeError",
    "choose_bulk",
    "choose_capabilities",
    "choose_dicom",
    "choose_metadata",
    "choose_pixels",
    "choose_rendered",
    "choose_report",
    "data_set_json",
    "data_set_xml",
    "elements_answer",
    "elements_list_answer",
    "multipart",
    "parts_of",
]
