"""What the profile says of attributes and values."""

from scp.copies.deidentify.rules import forms, safe
from scp.copies.deidentify.rules.actions import Action, action_of, is_known
from scp.copies.deidentify.rules.forms import STRING_VRS, has_form
from scp.copies.deidentify.rules.profile import CODES, Identifiers, Profile, Retain, Take
from scp.copies.deidentify.rules.pseudonyms import Pseudonyms, secret_of
from scp.copies.deidentify.rules.safe import Judgement

__all__ = [
    "CODES",
    "STRING_VRS",
    "Action",
    "Identifiers",
    "Judgement",
    "Profile",
    "Pseudonyms",
    "Retain",
    "Take",
    "action_of",
    "forms",
    "has_form",
    "is_known",
    "safe",
    "secret_of",
]
