"""A whole study as one document of DICOM JSON, with what is said alike said once."""

import json
from collections.abc import Sequence
from typing import Any

from scp.copies.documents.series_document import SeriesDocument

Json = dict[str, Any]


def factored(study: str, series: Sequence[tuple[str, SeriesDocument]]) -> Json:
    """The document: an instance says what is `shared` of the study, of its series, and its own.

    So its data set is these three together; no attribute is in two of them. Bulk data lies below
    the address of the instance.
    """
    shared = set(series[0][1].shared).intersection(*(one.shared for _, one in series))
    return {
        "StudyInstanceUID": study,
        "shared": _object(sorted(shared)),
        "series": [
            {
                "SeriesInstanceUID": uid,
                "shared": _object([one for one in document.shared if one not in shared]),
                "instances": [_object([*filter(None, own)]) for own in document.own.values()],
            }
            for uid, document in series
        ],
    }


def _object(members: Sequence[bytes]) -> Json:
    return dict(json.loads(b"{%s}" % b",".join(members)))
