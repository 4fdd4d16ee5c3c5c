"""[orders]: HL7 v2 messages taken over MLLP, by a process of its own."""

from scp.network.orders.counters import OrderCounters
from scp.network.orders.process import OrderProcess

__all__ = ["OrderCounters", "OrderProcess"]
