"""What instances say, as documents that are kept: made once, and given from then on."""

from scp.copies.documents.documents import BULK_DATA, Described, Documents
from scp.copies.documents.series_document import SeriesDocument

__all__ = ["BULK_DATA", "Described", "Documents", "SeriesDocument"]
