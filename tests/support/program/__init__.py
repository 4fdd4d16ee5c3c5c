"""The program as the tests start it."""

from support.program.process import Program, run, said

__all__ = ["Program", "run", "said"]
