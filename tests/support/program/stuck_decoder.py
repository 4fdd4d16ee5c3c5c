"""A decoder process that decodes nothing, for as long as it is let."""

import resource
import signal


def serve(descriptor: int, idle_seconds: int) -> None:
    """Take CPU time until the kernel ends it, after a second."""
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + 1, resource.RLIM_INFINITY))
    while True:
        pass
