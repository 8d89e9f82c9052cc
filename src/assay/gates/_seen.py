"""The parts of a `monitor.json` that gates read."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Effect(_Part):
    """How far a distribution has moved."""

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None


class Finding(_Part):
    """Something that is wrong with new data."""

    code: str
    severity: Literal["stop", "warn", "note"]
    title: str
    detail: str


class Drifted(_Part):
    """One distribution."""

    field: str
    effect: Effect | None = None
    alarm: bool = False


class Performed(_Part):
    """One metric of one model."""

    metric: str
    model: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    estimated: bool = False
    alarm: bool = False


class Seen(_Part):
    """What a monitor saw."""

    findings: list[Finding]
    drift: list[Drifted]
    performance: list[Performed] = []
