"""Data sets written in another transfer syntax (PS3.5 annex A)."""
