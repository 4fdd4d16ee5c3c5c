"""SOP classes and transfer syntaxes: what is accepted, and by which service of the node's."""

import re
from collections.abc import Callable, Mapping, Sequence

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import _NON_PATIENT_OBJECT_CLASSES, _STORAGE_CLASSES

from scp.config import Service
from scp.copies.conversion.codecs import UNCOMPRESSED
from storage import Root
from storage.dicom.data_sets import DEFLATED
from storage.dicom.values import VIDEO_CLASSES

# Digits and dots, below an arc that has an owner (PS3.5 9.1): no class is 0.0, or a word. Leading
# zeros are sent.
_CLASS_UID = re.compile(r"[012](\.[0-9]+){2,}", re.ASCII)
_STANDARD_ROOT = "1.2.840.10008."
# PS3.4 B.5 and B.6 number storage SOP classes below these arcs, retired ones and those of DICOS
# and DICONDE too; one that is newer than the tables is among them.
_STORAGE_ARCS = ("1.2.840.10008.5.1.4.1.1.", "1.2.840.10008.5.1.4.34.")

# (SCU, SCP): which roles the requestor proposes, or is granted (PS3.7 D.3.3.4).
Roles = tuple[bool, bool]

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"  # Push Model (PS3.4 J.3)
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"  # PS3.4 K.7
PERFORMED_STEP = "1.2.840.10008.3.1.2.3.3"  # PS3.4 F.7
PERFORMED_STEP_RETRIEVE = "1.2.840.10008.3.1.2.3.4"  # PS3.4 F.8
AVAILABILITY_NOTIFICATION = "1.2.840.10008.5.1.4.33"  # as SCU (PS3.4 R.3)

# The Query/Retrieve SOP classes (PS3.4 C.6): information model and service.
QUERY_RETRIEVE: dict[str, tuple[Root, Service]] = {
    f"1.2.840.10008.5.1.4.1.2.{model}.{number}": (root, service)
    for model, root in enumerate(Root, 1)
    for number, service in enumerate((Service.FIND, Service.MOVE, Service.GET), 1)
}

_SERVICES: dict[str, Service] = {
    VERIFICATION: Service.ECHO,
    STORAGE_COMMITMENT: Service.COMMIT,
    MODALITY_WORKLIST: Service.WORKLIST,
    PERFORMED_STEP: Service.STEP,
    PERFORMED_STEP_RETRIEVE: Service.STEP,
    **{uid: service for uid, (_, service) in QUERY_RETRIEVE.items()},
}

# Uncompressed, and so what an identifier may be encoded in.
UNCOMPRESSED_SYNTAXES: frozenset[str] = frozenset(UNCOMPRESSED)

# PS3.6 lists them as transfer syntaxes, but no data set is stored in them: MIME and XML wrap
# something else, Papyrus is a file format, SMPTE ST 2110 is for streams (PS3.22).
_NOT_FOR_STORAGE = (
    "1.2.840.10008.1.2.6.",
    "1.2.840.10008.1.20",
    "1.2.840.10008.1.2.7.",
)

STORAGE_SYNTAXES: frozenset[str] = frozenset(
    uid
    for uid, entry in UID_dictionary.items()
    if entry[1] == "Transfer Syntax" and not uid.startswith(_NOT_FOR_STORAGE)
)

_STORAGE: frozenset[str] = frozenset(_STORAGE_CLASSES.values())
# They belong to no study, and so have no place in the tree (PS3.4 annex GG).
_NOT_IN_A_STUDY: frozenset[str] = frozenset(_NON_PATIENT_OBJECT_CLASSES.values())

# Results of a presentation context (PS3.8 table 9-18).
ACCEPTED, USER_REJECTION, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = 0, 1, 3, 4


def is_storage(abstract_syntax: str) -> bool:
    """Whether it is a storage SOP class: known, retired, newer than the tables, or private."""
    if abstract_syntax in _NOT_IN_A_STUDY:
        return False
    if abstract_syntax in _STORAGE or not abstract_syntax.startswith(_STANDARD_ROOT):
        return True
    name = UID_dictionary.get(abstract_syntax, ("Storage",))[0]
    return abstract_syntax.startswith(_STORAGE_ARCS) and "Storage" in name


def objection(sop_class: str, syntax: str) -> str:
    """Why C-STORE would not take an instance, in words; empty where it would."""
    if not is_storage(sop_class):
        return f"SOP class {sop_class[:80]} is none that is stored"
    if syntax not in STORAGE_SYNTAXES:
        return f"Transfer syntax {syntax[:80]} is none that is taken"
    return ""


# Those of the standard that PS3.6 names; there are others.
STORAGE_CLASSES: frozenset[str] = frozenset(
    uid
    for uid, entry in UID_dictionary.items()
    if entry[1] == "SOP Class" and uid.startswith(_STORAGE_ARCS) and is_storage(uid)
)


def service_of(abstract_syntax: str) -> Service | None:
    """The service that a SOP class is for."""
    if is_storage(abstract_syntax):
        return Service.STORE
    return _SERVICES.get(abstract_syntax)


def negotiate(
    proposed: PresentationContext,
    roles: Mapping[str, Roles],
    allowed: frozenset[Service],
    reports: bool = False,
    held: Callable[[str], Sequence[str]] = lambda _: (),
    served: frozenset[Service] = frozenset(Service),
) -> PresentationContext:
    """The answer to one proposed presentation context, for a peer with the rights `allowed`.

    `served`: what the node gives at all; a SOP class of another service is one it does not know.

    Of identifiers deflated ones are the last choice: they are short, and some requestors send them
    as they are. `reports`: it may be asked for storage commitment, and so may report on that.
    `roles` are the role selections proposed, by SOP class. Where instances are to go back
    (C-GET), uncompressed is better: all but video can be sent so, and not the reverse. Of video
    it is the transfer syntax that most is `held` in.
    """
    abstract_syntax = str(proposed.abstract_syntax)
    answer = PresentationContext()
    answer._context_id = proposed.context_id  # of any number, as it was proposed
    answer.abstract_syntax = UID(abstract_syntax)
    is_served = service_of(abstract_syntax) in served
    syntaxes = syntaxes_of(abstract_syntax) if is_served else frozenset()
    granted = granted_roles(abstract_syntax, roles, allowed, reports)
    offered = [str(syntax) for syntax in proposed.transfer_syntax]
    if abstract_syntax in QUERY_RETRIEVE or abstract_syntax == MODALITY_WORKLIST:
        offered.sort(key=lambda syntax: syntax in DEFLATED)
    elif granted[1]:
        _put_first_what_carries_most(offered, abstract_syntax, held)
    chosen = _choose(offered, syntaxes)
    if not syntaxes:
        answer.result = NO_ABSTRACT_SYNTAX
    elif granted == (False, False):
        answer.result = USER_REJECTION
    elif chosen is None:
        answer.result = NO_TRANSFER_SYNTAX
    else:
        answer.result = ACCEPTED
    # Not significant where it is rejected, but has to be there (PS3.8 9.3.3.2).
    answer.transfer_syntax = [UID(chosen or next(iter(offered), ImplicitVRLittleEndian))]
    # Seen from here: SCP where the requestor is SCU, and the reverse.
    answer._as_scp, answer._as_scu = granted
    return answer


def _put_first_what_carries_most(
    offered: list[str], abstract_syntax: str, held: Callable[[str], Sequence[str]]
) -> None:
    if abstract_syntax not in VIDEO_CLASSES:
        offered.sort(key=lambda syntax: syntax not in UNCOMPRESSED_SYNTAXES)
    elif len(offered) > 1:
        places = {syntax: place for place, syntax in enumerate(held(abstract_syntax))}
        offered.sort(key=lambda syntax: places.get(syntax, len(places)))


def granted_roles(
    abstract_syntax: str,
    roles: Mapping[str, Roles],
    allowed: frozenset[Service],
    reports: bool = False,
) -> Roles:
    """The roles that the requestor gets for a SOP class.

    Storage takes both: SCU for who may store, SCP for who may get (PS3.4 C.5.3). So does storage
    commitment: SCU for who may ask, SCP for who was asked, to report (PS3.4 J.3.3).
    """
    wanted = roles.get(abstract_syntax, (True, False))
    if is_storage(abstract_syntax):
        return wanted[0] and Service.STORE in allowed, wanted[1] and Service.GET in allowed
    is_scp = wanted[1] and reports and abstract_syntax == STORAGE_COMMITMENT
    return wanted[0] and service_of(abstract_syntax) in allowed, is_scp


def syntaxes_of(abstract_syntax: str) -> frozenset[str]:
    """The transfer syntaxes that are accepted for a SOP class; none where it is not served."""
    if abstract_syntax in _SERVICES:
        return UNCOMPRESSED_SYNTAXES
    is_stored = _CLASS_UID.fullmatch(abstract_syntax) and is_storage(abstract_syntax)
    return STORAGE_SYNTAXES if is_stored else frozenset()


def _choose(proposed: list[str], supported: frozenset[str]) -> str | None:
    """The first that both know; but Explicit VR before Implicit, which loses private VRs."""
    chosen = next((syntax for syntax in proposed if syntax in supported), None)
    if chosen == ImplicitVRLittleEndian and ExplicitVRLittleEndian in proposed:
        return str(ExplicitVRLittleEndian)
    return chosen
