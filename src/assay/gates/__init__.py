"""Gates: conditions that stop a run. The public functions of this package's modules are gates.

A gate passes, fails, or is inconclusive: too little data to decide. Scores are held against the
bounds of their 95 % interval, not against the value alone, so a gate neither passes nor fails by
chance.
"""

from assay.gates._judging import judge, overall, pairs
from assay.gates._runs import accepted_run, looks_back, newest_run, state_of
from assay.gates._state import ACCEPTED, Outcome, Run, State, Verdict
from assay.gates.data import growth, leak, rows, schema, set_aside, violations
from assay.gates.newdata import drift, findings, performance
from assay.gates.parts import slice_scores, slices
from assay.gates.scores import better, missing, not_worse, score
from assay.gates.serving import cost, latency, memory

__all__ = [
    "ACCEPTED",
    "Outcome",
    "Run",
    "State",
    "Verdict",
    "accepted_run",
    "better",
    "cost",
    "drift",
    "findings",
    "growth",
    "judge",
    "latency",
    "leak",
    "looks_back",
    "memory",
    "missing",
    "newest_run",
    "not_worse",
    "overall",
    "pairs",
    "performance",
    "rows",
    "schema",
    "score",
    "set_aside",
    "slice_scores",
    "slices",
    "state_of",
    "violations",
]
