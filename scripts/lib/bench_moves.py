"""C-MOVE: the same studies on every server, all moved to the same destination."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

from lib.bench_clients import move, store
from lib.bench_images import Recipe
from lib.bench_peers import Peer
from lib.bench_rounds import FAILURES, Session, Values, say
from lib.bench_servers import Destination, Server, destination, running, settle


def measure_moves(session: Session, studies: Mapping[str, Recipe]) -> None:
    """Load the servers, then have each row's study moved by each in turn.

    Raises ServerError where the destination does not start.
    """
    with ExitStack() as stack:
        receiver = stack.enter_context(destination())
        servers = []
        for peer in session.peers:
            try:
                servers.append(_loaded(stack, session, peer, receiver.port, studies))
            except FAILURES as error:
                say(f"  {peer.name}: failed: {error}")
                for row in studies:
                    session.results.figures(row, peer.name).failures.append(str(error))
        settle()
        for run in range(session.runs):
            say(f"  run {run + 1} of {session.runs}")
            for row, recipe in studies.items():
                for server in servers:
                    attempt = partial(_move, row, recipe, server, receiver)
                    session.attempt((row,), server.name, attempt)


def _move(row: str, recipe: Recipe, server: Server, receiver: Destination) -> Values:
    return {row: move(server, recipe.study_uid(), recipe.count, receiver)}


def _loaded(
    stack: ExitStack, session: Session, peer: Peer, port: int, studies: Mapping[str, Recipe]
) -> Server:
    """A server that holds the studies."""
    server = stack.enter_context(running(peer, port))
    for recipe in studies.values():
        seconds = store(server, recipe.made(session.folder))
        say(f"  {peer.name}: holds {recipe.count:,} instances, stored in {seconds:.1f} s")
    return server
