"""What can go wrong with a conversion."""


class TranscodeError(Exception):
    """An instance that cannot be had in the transfer syntax asked for: a sentence says why."""


class LimitError(TranscodeError):
    """It takes more than it may have, or nobody waits for it: another syntax changes nothing."""
