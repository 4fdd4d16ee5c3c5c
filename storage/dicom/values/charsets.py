"""Specific Character Set (0008,0005): text from bytes and bytes from text (PS3.5 6.1.2, PS3.3
C.12.1.1.2), with the code extensions of ISO 2022.
"""

from storage.dicom.values.charset_terms import ASCII, UTF_8, Charset, charset, defined_terms
from storage.dicom.values.text_decoding import decode
from storage.dicom.values.text_encoding import choose, encode

__all__ = ["ASCII", "UTF_8", "Charset", "charset", "choose", "decode", "defined_terms", "encode"]
