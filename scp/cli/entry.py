"""Where the command begins: nothing is loaded before Ctrl-C is seen to."""

import gc
import os

from scp.cli import interrupts

# Of libraries, so that a command does not wait for what it has no use for. OpenBLAS, which comes
# with numpy, starts a thread for each processor when it is loaded, and ends them with the process;
# pydantic looks into all distributions that are installed for extensions of itself.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}


def main() -> None:
    """Run the command line; the process ends with it."""
    interrupts.end_at_once()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # What modules make stays: to look through it again and again would be a fifth of a start, and
    # once more a tenth at its end. `app` has it on again for what a command makes.
    gc.disable()
    from scp.cli.app import app

    try:
        app(prog_name="minipacs")
    finally:
        interrupts.end_at_once()
        gc.freeze()
