"""What people have corrected: lines of the journal, looked up by what they are of."""

from storage.journal.corrections.in_effect import (
    PATIENT_ID,
    Correction,
    Corrections,
    Entity,
    entities_since,
    ever_corrected,
    in_force,
    last_known,
)

__all__ = [
    "PATIENT_ID",
    "Correction",
    "Corrections",
    "Entity",
    "entities_since",
    "ever_corrected",
    "in_force",
    "last_known",
]
