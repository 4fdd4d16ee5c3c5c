"""What can be wrong with what a client sends."""


class MultipartError(Exception):
    """A body that is not what its Content-Type says: a sentence says what is wrong."""


class CutShortError(MultipartError):
    """A body, or a file, that ends before its end."""
