"""The DICOM Conformance Statement (PS3.2 annex N), from the tables that the node serves by."""
