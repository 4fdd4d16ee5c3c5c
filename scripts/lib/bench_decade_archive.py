"""A large archive of small files: one long series, one patient of many studies, and others."""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Process
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from storage import Archive, Received, prepare
from storage.archive.batch import store_all

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
LONG_PATIENT, LONG_STUDY, LONG_SERIES = "LONG", "1.2.826.1.1", "1.2.826.1.1.1"
MANY_PATIENT = "MANY"
_AT_ONCE = 64
_STUDY_INSTANCES, _SERIES_INSTANCES = 50, 25
_MANY_STUDIES = 500


@dataclass(frozen=True)
class Named:
    """An instance by its UIDs, and its patient."""

    patient: str
    study: str
    series: str
    instance: str


def instances(count: int) -> Iterator[Named]:
    """A quarter in one series; a quarter, in studies of 50, of one patient at most; the rest."""
    long = count // 4
    for number in range(long):
        yield Named(LONG_PATIENT, LONG_STUDY, LONG_SERIES, f"{LONG_SERIES}.{number + 1}")
    for number in range(count - long):
        study, within = divmod(number, _STUDY_INSTANCES)
        is_of_many = study < min(_MANY_STUDIES, count // 4 // _STUDY_INSTANCES)
        patient = MANY_PATIENT if is_of_many else f"P{study // 2}"
        uid = f"1.2.826.2.{study + 1}"
        series = f"{uid}.{within // _SERIES_INSTANCES + 1}"
        yield Named(patient, uid, series, f"{series}.{within + 1}")


def data_set(named: Named) -> bytes:
    """A small CT."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CT, named.instance
    made.StudyDate, made.StudyTime, made.AccessionNumber = "20240101", "101500", "A1"
    made.Modality, made.InstitutionName, made.InstitutionAddress = "CT", "Hospital", "Street 1"
    made.StudyDescription, made.SeriesDescription = "THORAX", "axial"
    made.PatientName, made.PatientID = f"Doe^{named.patient}", named.patient
    made.PatientBirthDate, made.PatientSex = "19700101", "F"
    made.StudyInstanceUID, made.SeriesInstanceUID = named.study, named.series
    made.SeriesNumber, made.InstanceNumber = 1, int(named.instance.rpartition(".")[2]) % 100_000
    made.Rows = made.Columns = 16
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation, made.SamplesPerPixel = 7, 0, 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.PixelData = struct.pack(">Q", zlib.crc32(named.instance.encode())) * 32
    made["PixelData"].VR = "OB"
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    write_dataset(file, made)
    return bytes(file.getvalue())


def fill(data: Path, count: int) -> None:
    """Store so many, by as many processes as there are processors."""
    lanes = os.cpu_count() or 1
    # Who prepares a folder claims it for as long as the process lasts.
    _run(Process(target=prepare, args=(data, False, "")))
    _run(*(Process(target=_fill_some, args=(data, count, lane, lanes)) for lane in range(lanes)))


def _run(*processes: Process) -> None:
    for one in processes:
        one.start()
    for one in processes:
        one.join()
        assert one.exitcode == 0


def _fill_some(data: Path, count: int, lane: int, lanes: int) -> None:
    archive, held = Archive(data, sync=False), []
    for number, named in enumerate(instances(count)):
        if number // _AT_ONCE % lanes != lane:
            continue
        intake = archive.receive(CT, named.instance, EXPLICIT)
        intake.write(data_set(named))
        held.append((Received(CT, named.instance, EXPLICIT, intake, "", "MODALITY"), intake))
        if len(held) == _AT_ONCE:
            _store(archive, held)
    _store(archive, held)


def _store(archive: Archive, held: list) -> None:
    for result in store_all(archive, held):
        if isinstance(result, Exception):
            raise result
    held.clear()
