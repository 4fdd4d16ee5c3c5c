"""Tree against index, journal and headers; what is wrong is found and mended."""

from storage.maintenance.check import rights_faults
from storage.maintenance.check.acceptances import Acceptances
from storage.maintenance.check.checking import check
from storage.maintenance.check.faults import Fault
from storage.maintenance.check.file_reader import Share

__all__ = [
    "Acceptances",
    "Fault",
    "Share",
    "check",
    "rights_faults",
]
