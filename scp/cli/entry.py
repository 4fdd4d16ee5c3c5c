"""Where the command begins."""


def main() -> None:
    """Run the command line; the process ends with it."""
    from scp.cli.app import app

    app(prog_name="minipacs")
