"""Modality Worklist and performed procedure steps: what modalities ask and tell (PS3.4 K, F)."""

from scp.network.services.worklist import listing, performed_step
from scp.network.services.worklist.rules import rules_of

__all__ = ["listing", "performed_step", "rules_of"]
