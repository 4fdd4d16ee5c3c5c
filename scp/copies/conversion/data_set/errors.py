"""What can go wrong with a conversion."""


class TranscodeError(Exception):
    """An instance that cannot be had in the transfer syntax asked for: a sentence says why."""


class LimitError(TranscodeError):
    """It takes more than it may have, which another transfer syntax does not change."""


class GoneError(LimitError):
    """Nobody waits for it any more."""

    def __init__(self) -> None:
        super().__init__("its receiver is gone, or wants no more")
