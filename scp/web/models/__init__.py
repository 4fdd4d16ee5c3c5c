"""Data sets as DICOM JSON (PS3.18 F) and Native DICOM XML (PS3.19 A.1), written and read."""
