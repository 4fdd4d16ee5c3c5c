"""Data sets: pydicom's samples, small ones made up, and whole studies."""
