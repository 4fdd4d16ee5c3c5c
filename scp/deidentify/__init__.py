"""Copies without what identifies the patient (PS3.15 annex E)."""
