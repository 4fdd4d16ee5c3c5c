"""What can go wrong with a conversion."""


class TranscodeError(Exception):
    """An instance that cannot be had in the transfer syntax asked for: a sentence says why."""
