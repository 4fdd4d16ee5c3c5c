"""Codes that PS3.16 names, with the meaning that it gives them: all others may be a site's own."""

from functools import lru_cache
from typing import cast

from scp.copies.conversion.data_set import Scope
from scp.copies.deidentify.elements.encoding import text_of

_VALUES = (0x00080100, 0x00080119, 0x00080120)  # short, long, and that is a URN
_SCHEME = 0x00080102
# What SNOMED codes were written as before SRT (PS3.16 table 8-1).
_OLD_SNOMED = frozenset({"SRT", "SNM3", "99SDM"})
# What electrocardiographs name leads and measurements by, in place of the codes of PS3.16 CID 3001.
_ECG = {
    **{f"5.6.3-9-{lead + 2}": f"Lead V{lead}" for lead in range(1, 7)},
    "5.6.3-9-1": "Lead I", "5.6.3-9-2": "Lead II", "5.6.3-9-61": "Lead III",
    "5.6.3-9-62": "Lead aVR", "5.6.3-9-63": "Lead aVL", "5.6.3-9-64": "Lead aVF",
    "5.10.2.1-3": "RR Interval", "5.10.2.1-5": "PP Interval", "5.10.2.5-5": "QTc Interval",
    "5.10.3-1": "P Onset", "5.10.3-2": "P Offset", "5.10.3-3": "QRS Onset",
    "5.10.3-4": "QRS Offset", "5.10.3-5": "T Offset", "5.10.3-11": "P Axis",
    "5.10.3-13": "QRS Axis", "5.10.3-15": "T Axis", "5.13.5-7": "PR Interval",
    "5.13.5-9": "QRS Duration", "5.13.5-11": "QT Interval",
}  # fmt: skip
# Units that are not among those of PS3.16.
_UNITS = """
    /h A J K L L/min N Pa T V W cGy dGy.cm2 dL fL g g/cm3 g/l kBq kBq/ml kHz keV kg kg/m2 kg/m3 km
    l l/min m/s mA mBq mGy mGy.cm mJ mL mSv mW mg mg/dl mm/h mmol/l ng nm ns pg uA uGy uGy.m2 uSv
    ug ug/ml us uT
"""
MEANING = "CodeMeaning"
# The text of an item that holds a code (PS3.3 table 8.8-1).
KEYWORDS = frozenset(
    {"CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", MEANING}
)  # fmt: skip


def meaning_of(scope: Scope) -> str | None:
    """The meaning of the code that an item holds; empty: it holds none; None: it is not known."""
    values = [value for tag in _VALUES if (value := text_of(scope, tag))]
    if not values:
        return ""
    scheme = text_of(scope, _SCHEME)
    return _meanings().get((scheme, values[0])) if len(values) == 1 else None


@lru_cache(maxsize=1)
def _meanings() -> dict[tuple[str, str], str]:
    # Large, and of no use to who does not de-identify.
    from pydicom.sr._concepts_dict import concepts
    from pydicom.sr._snomed_dict import mapping

    found = {("SCPECG", value): meaning for value, meaning in _ECG.items()}
    found |= {("UCUM", unit): unit for unit in _UNITS.split()}
    for scheme, names in concepts.items():
        for codes in cast(dict[str, dict[str, tuple[str, list[int]]]], names).values():
            for value, (meaning, *_) in codes.items():
                found[scheme, value] = meaning
    for value, concept in mapping["SRT"].items():
        if ("SCT", concept) in found:
            found |= {(scheme, value): found["SCT", concept] for scheme in _OLD_SNOMED}
    return found
