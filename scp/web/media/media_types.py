"""The media types of DICOMweb and the transfer syntaxes that go with them (PS3.18 8.7)."""

MULTIPART = "multipart/related"
DICOM, JSON, XML = "application/dicom", "application/dicom+json", "application/dicom+xml"
OCTETS = "application/octet-stream"
WADL = "application/vnd.sun.wadl+xml"
PLAIN_JSON, PLAIN_XML = "application/json", "application/xml"

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_JPEG, _RLE = "1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5"

# Table 8.7.3-5, and what is retired: the media type of compressed bulk data, and the ends of the
# transfer syntaxes that it is of; the first is meant where none is named.
_COMPRESSED = {
    "image/jpeg": ("70", "50", "51", "57", "53", "55"),
    "image/jls": ("80", "81"),
    "image/jp2": ("90", "91"),
    "image/jpx": ("92", "93"),
    "image/jphc": ("201", "202", "203"),
    "image/jxl": ("110", "111", "112"),
    "video/mpeg": ("101", "100", "101.1", "100.1"),
    "video/mp4": ("102", "103", "104", "105", "106", "102.1", "103.1", "104.1", "105.1", "106.1"),
    "video/H265": ("107", "108"),
}
# Media type -> the transfer syntaxes that its bytes may be in, the default one first.
SYNTAXES_OF = {
    DICOM: (EXPLICIT_VR_LITTLE_ENDIAN,),  # tables 8.7.3-2 and -3
    OCTETS: (EXPLICIT_VR_LITTLE_ENDIAN,),  # table 8.7.3-4
    "image/dicom-rle": (_RLE,),
    **{kind: tuple(_JPEG + end for end in ends) for kind, ends in _COMPRESSED.items()},
}
# Transfer syntax -> the media type of its frames, or of its video.
COMPRESSED_TYPE = {
    syntax: kind
    for kind, syntaxes in SYNTAXES_OF.items()
    if kind not in (DICOM, OCTETS)
    for syntax in syntaxes
}
COMPRESSED_TYPES = tuple(dict.fromkeys(COMPRESSED_TYPE.values()))
# As they were called before, or are by some.
OTHER_NAMES = {
    "image/x-dicom-rle": "image/dicom-rle",
    "image/x-jls": "image/jls",
    "image/x-jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/j2k": "image/jp2",
    "video/mpeg2": "video/mpeg",
}
