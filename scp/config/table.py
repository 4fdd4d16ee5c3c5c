"""What tables of config.toml have in common, and how a key says what it takes."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo


class Table(BaseModel):
    """A table of config.toml: frozen, strictly typed, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True)


def takes(what: str, **rules: Any) -> Any:
    """What a key takes, in words and as rules: the texts of faults are made from the words."""
    return Field(description=what, **rules)


def integer(low: int, high: int | None = None, unit: str = "") -> Any:
    """A key that takes a whole number, of these bounds."""
    limits = f"of {low} or more" if high is None else f"from {low} to {high}"
    return takes(f"an integer {limits}{unit}", ge=low, le=high)


def to_path(given: object, info: ValidationInfo) -> object:
    """A text as a path, from the folder of the file on; what is none is refused next."""
    if isinstance(given, str) and given and "\0" not in given:
        given = Path(given)
    folder: Path = (info.context or {}).get("folder", Path())
    return (folder / given).absolute() if isinstance(given, Path) else given
