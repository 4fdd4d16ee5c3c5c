"""De-identified copies (PS3.15 annex E)."""
