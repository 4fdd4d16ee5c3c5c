"""The statement as a document: headings, tables, names."""

from scp.conformance.writing import document
from scp.conformance.writing.document import (
    Contents,
    Part,
    Section,
    StatementDocument,
    StatementTable,
    literal,
    table,
)
from scp.conformance.writing.names import (
    address,
    by_name,
    code,
    is_provider,
    is_user_for_callers,
    name_of,
    statuses,
    value,
    yes,
)

__all__ = [
    "Contents",
    "Part",
    "Section",
    "StatementDocument",
    "StatementTable",
    "address",
    "by_name",
    "code",
    "document",
    "is_provider",
    "is_user_for_callers",
    "literal",
    "name_of",
    "statuses",
    "table",
    "value",
    "yes",
]
