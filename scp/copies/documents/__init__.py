"""What instances say, as documents that are kept: made once, and given from then on."""

from scp.copies.documents.documents import BULK_DATA, Documents, series_of
from scp.copies.documents.fhir import FhirVersion, imaging_study
from scp.copies.documents.series_document import SeriesDocument
from scp.copies.documents.whole_study import factored

__all__ = [
    "BULK_DATA",
    "Documents",
    "FhirVersion",
    "SeriesDocument",
    "factored",
    "imaging_study",
    "series_of",
]
