"""SQL conditions put together."""

from collections.abc import Callable, Sequence
from typing import Any


def joined(operator: Callable[[Any, Any], Any], parts: Sequence[Any]) -> Any:
    """The conditions as one, nested as little as can be.

    Peewee and SQLite go down into it, and neither far: one behind the other, some hundred are
    too many.
    """
    while len(parts) > 1:
        pairs = [parts[start : start + 2] for start in range(0, len(parts), 2)]
        parts = [operator(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return parts[0]
