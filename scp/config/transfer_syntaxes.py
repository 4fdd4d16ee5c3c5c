"""Transfer syntaxes as a configuration names them: by UID, or by the keyword of PS3.6."""

from functools import cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

# Those that pydicom does not list yet; as in `storage.dicom.values`.
_NEWER = {
    "JPEGXLLossless": "1.2.840.10008.1.2.4.110",
    "JPEGXLJPEGRecompression": "1.2.840.10008.1.2.4.111",
    "JPEGXL": "1.2.840.10008.1.2.4.112",
    "DeflatedImageFrameCompression": "1.2.840.10008.1.2.8.1",
}


@cache
def transfer_syntaxes() -> dict[str, str]:
    """The transfer syntaxes of PS3.6 A, keyword -> UID."""
    uids = _uid_dictionary().items()
    return _NEWER | {entry[4]: uid for uid, entry in uids if entry[1] == "Transfer Syntax"}


def _uid_dictionary() -> dict[str, tuple[str, str, str, str, str]]:
    """pydicom's table of UIDs, out of its own file.

    To import it would run all of pydicom first, and numpy with it: ten times as long as all else
    that a configuration needs.
    """
    package = find_spec("pydicom")
    assert package
    path = Path(str(package.origin)).with_name("_uid_dict.py")
    loader = SourceFileLoader("_uid_dict", str(path))
    module: Any = module_from_spec(ModuleSpec("_uid_dict", loader))
    loader.exec_module(module)
    found: dict[str, tuple[str, str, str, str, str]] = module.UID_dictionary
    return found


def _to_syntax(given: object) -> object:
    # By the keyword of PS3.6 too: nobody knows the UIDs by heart.
    return transfer_syntaxes().get(given, given) if isinstance(given, str) else given


def _is_syntax(uid: str) -> str:
    if uid not in transfer_syntaxes().values():
        raise ValueError("not a transfer syntax of PS3.6")
    return uid


Syntax = Annotated[str, BeforeValidator(_to_syntax), AfterValidator(_is_syntax)]
