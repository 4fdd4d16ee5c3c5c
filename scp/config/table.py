"""What tables of config.toml have in common, and how a key says what it takes."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Table(BaseModel):
    """A table of config.toml: frozen, strictly typed, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True)


def takes(what: str, **rules: Any) -> Any:
    """What a key takes, in words and as rules: the texts of faults are made from the words."""
    return Field(description=what, **rules)
