"""Media types of DICOMweb (PS3.18 8): which one is given, and what it is made of."""
