"""Documents of what is found: many that have the same elements, and values that come again."""

from collections.abc import Sequence

from scp.web.models.fragments import Head
from scp.web.models.model import Model

# Of an element, so many values are kept as they were written.
_KEPT_VALUES = 1024


class RowDocuments:
    """Writes documents of the same elements, `heads` in the order of their tags."""

    def __init__(self, model: Model, heads: Sequence[Head]) -> None:
        self._model = model
        self._columns: list[tuple[Head, dict[str, bytes]]] = [(head, {}) for head in heads]

    def document(self, texts: Sequence[str]) -> bytes:
        """The document of the elements' values as text, several with backslashes between."""
        fragments = []
        for (head, known), text in zip(self._columns, texts, strict=True):
            found = known.get(text)
            if found is None:
                found = self._model.text(head, text)
                if len(known) < _KEPT_VALUES:
                    known[text] = found
            fragments.append(found)
        return self._model.document(fragments)
