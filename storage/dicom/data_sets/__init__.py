"""Data sets read within a budget: elements, sequences, pixel data (PS3.5 7)."""

from storage.dicom.data_sets import elements, reader
from storage.dicom.data_sets.alike import AlikeDataSets
from storage.dicom.data_sets.budget import (
    DIRECTORY,
    MESSAGE,
    STORED,
    WHOLE,
    ReadBudget,
    ReadLimits,
    heeding,
)
from storage.dicom.data_sets.elements import BULK_VRS, CHARACTER_SET, Element, Elements, read
from storage.dicom.data_sets.header_scanner import FoundElement, UnusualError, Wanted, scan
from storage.dicom.data_sets.inflating import Inflater
from storage.dicom.data_sets.pixel_data_check import Damage, damage
from storage.dicom.data_sets.reader import (
    DEFLATED,
    check_lengths,
    ordinary_form,
    read_beginning,
    read_data_set,
)
from storage.dicom.data_sets.references import read_references
from storage.dicom.data_sets.streaming import Digested

__all__ = [
    "BULK_VRS",
    "CHARACTER_SET",
    "DEFLATED",
    "DIRECTORY",
    "MESSAGE",
    "STORED",
    "WHOLE",
    "AlikeDataSets",
    "Damage",
    "Digested",
    "Element",
    "Elements",
    "FoundElement",
    "Inflater",
    "ReadBudget",
    "ReadLimits",
    "UnusualError",
    "Wanted",
    "check_lengths",
    "damage",
    "elements",
    "heeding",
    "ordinary_form",
    "read",
    "read_beginning",
    "read_data_set",
    "read_references",
    "reader",
    "scan",
]
