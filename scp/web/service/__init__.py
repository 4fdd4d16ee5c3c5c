"""All that [web] serves: the table of its paths, the application, and the processes of it."""

from scp.web.service.processes import WebProcesses

__all__ = ["WebProcesses"]
