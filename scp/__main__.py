"""`python -m scp` is `minipacs`."""

from scp.cli import main

main()
