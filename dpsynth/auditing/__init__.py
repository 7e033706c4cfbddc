"""Mechanism audit: do the answers of a fit tell more about one unit than was charged for them?

A method is fitted many times on two made-up tables that differ by one privacy unit. The best test
that anybody has between the two worlds bounds the privacy loss from below. No row of anybody is
read, so what is found may be published. The statistics are in docs/audit.md.
"""

from dpsynth.auditing.report import Control, Finding, MethodAudit, Report, Verdict
from dpsynth.auditing.runs import Setup, View
from dpsynth.auditing.suite import AUDITED, Plan, audit
from dpsynth.auditing.worlds import PAIRS, Worlds, make_worlds

__all__ = [
    "AUDITED",
    "PAIRS",
    "Control",
    "Finding",
    "MethodAudit",
    "Plan",
    "Report",
    "Setup",
    "Verdict",
    "View",
    "Worlds",
    "audit",
    "make_worlds",
]
