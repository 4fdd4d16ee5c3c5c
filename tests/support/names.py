"""What tests call things: SOP classes, transfer syntaxes, deadlines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydicom.data
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import (
    _config,
)
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    PatientStudyOnlyQueryRetrieveInformationModelFind,
    PatientStudyOnlyQueryRetrieveInformationModelGet,
    PatientStudyOnlyQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

# How long to wait for what should come at once; a test that waits this long fails.
START_SECONDS = 60
CLIENT_SECONDS = 120
ROOT = Path(__file__).parents[2]  # of the project


class Run:
    """What this run was asked for; `conftest.py` tells."""

    is_long = False


def examples(most: int) -> int:
    """How many of the examples that a long run makes of a property this one makes."""
    return most if Run.is_long else most // 5


TEST_FILES = Path(pydicom.data.__file__).parent / "test_files"

CT = str(CTImageStorage)
EXPLICIT, IMPLICIT = str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)
ECHO = str(Verification)
FIND = {
    "STUDY": str(StudyRootQueryRetrieveInformationModelFind),
    "PATIENT": str(PatientRootQueryRetrieveInformationModelFind),
    "PATIENT_STUDY_ONLY": str(PatientStudyOnlyQueryRetrieveInformationModelFind),
}
MOVE = {
    "STUDY": str(StudyRootQueryRetrieveInformationModelMove),
    "PATIENT": str(PatientRootQueryRetrieveInformationModelMove),
    "PATIENT_STUDY_ONLY": str(PatientStudyOnlyQueryRetrieveInformationModelMove),
}
GET = {
    "STUDY": str(StudyRootQueryRetrieveInformationModelGet),
    "PATIENT": str(PatientRootQueryRetrieveInformationModelGet),
    "PATIENT_STUDY_ONLY": str(PatientStudyOnlyQueryRetrieveInformationModelGet),
}

# Peers send, and get back, UIDs that are none.
_config.VALIDATORS["UI"] = lambda value: (True, "")

# (SOP class, transfer syntax or syntaxes), of one presentation context.
Context = tuple[str, str | list[str]]
Tables = Mapping[str, Mapping[str, Any]]
