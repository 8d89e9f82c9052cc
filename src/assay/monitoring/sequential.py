"""Evidence that may be looked at after every batch, for ever, without inflating false alarms.

An e-value is a number, not below 0, whose mean is at most 1 as long as nothing has changed; at a
level of 5 % it takes 20 to alarm. An e-process is an e-value at every look, whenever one stops:
the chance that it *ever* reaches 20 is at most 5 % (Ville's inequality), where a fixed test at
every look is sure to alarm in the end.

References: Ramdas, Grünwald, Vovk and Shafer (2023), Statistical Science 38:576-601.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.evaluation.intervals import Interval

Floats = npt.NDArray[np.floating[Any]]

LEVEL = 0.05
JEFFREYS = 0.5
# How far a change may go, as the expected chi-square distance per degree of freedom: one
# alternative each, mixed alike, so that neither a small nor a large change is looked for in vain.
REACHES = (1.0, 0.1, 0.01, 0.001)


def of_counts(reference: Any, batches: Any) -> Floats:
    """The log e-value of "what falls where has changed", for a change at each batch so far.

    Rows of a field are counted in k cells: bins of a number, categories, missing, new. For a
    change at batch j the rows since j are held against the reference and the batches before j
    (what these say of the cells' shares is a Dirichlet distribution, so that a small reference
    alarms no sooner than a large one), the alternative being a mixture of near and far changes.

    Args:
        reference: (k,) counts of the reference.
        batches: (t, k) counts of the batches so far, in their order.

    Returns:
        (t,) log e-values, the first for a change at the first batch.

    References: Gunel and Dickey (1974), Biometrika 61:545-557, for the ratio; Lindon and Malek
    (2022), Advances in Neural Information Processing Systems 35, for counts as an e-process.

    >>> same = of_counts([500, 500], [[50, 50], [52, 48]])
    >>> moved = of_counts([500, 500], [[50, 50], [80, 20]])
    >>> bool(np.exp(same.max()) < 1), int(moved.argmax()), bool(np.exp(moved.max()) > 1000)
    (True, 1, True)
    """
    batches = np.atleast_2d(np.asarray(batches, float))
    before = np.vstack([np.zeros(batches.shape[1]), batches.cumsum(axis=0)])
    known = np.asarray(reference, float) + JEFFREYS + before[:-1]
    since = before[-1] - before[:-1]
    share = known / known.sum(axis=1, keepdims=True)
    freedom = max(batches.shape[1] - 1, 1)
    changed = [_dirichlet(share * (freedom / reach), since) for reach in REACHES]
    logs = np.logaddexp.reduce(np.stack(changed), axis=0) - math.log(len(REACHES))
    return np.asarray(logs - _dirichlet(known, since))


def _dirichlet(prior: Floats, counts: Floats) -> Floats:
    """The log chance of counts, in one order of their rows, under shares drawn from a prior."""
    from scipy.special import gammaln

    whole = gammaln(prior.sum(axis=1)) - gammaln(prior.sum(axis=1) + counts.sum(axis=1))
    return np.asarray(whole + (gammaln(prior + counts) - gammaln(prior)).sum(axis=1))


def of_values(
    reference: float, error: float, values: Any, errors: Any, *, worse: str = "either"
) -> Floats:
    """The log e-value of "this figure has changed", for a change at each batch so far.

    Args:
        reference: the figure's value in the reference, such as a model's error.
        error: its standard error.
        values: (t,) its value in each batch.
        errors: (t,) their standard errors; a batch whose error is not finite or 0 says nothing.
        worse: `higher`, `lower` or `either`: which change is looked for.

    Returns:
        (t,) log e-values, the first for a change at the first batch.

    The figure has to be near to normal in each batch: means of some thirty rows are.

    References: Robbins (1970), Annals of Mathematical Statistics 41:1397-1409, for the mixture;
    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics 52:2613-2640, for
    its use where only a standard error is known.

    >>> logs = of_values(10, 0.1, [10.1, 9.9, 12.0], [0.5, 0.5, 0.5], worse="higher")
    >>> int(logs.argmax()), round(float(np.exp(logs.max())))
    (2, 252)
    """
    from scipy.special import log_ndtr

    values, errors = np.asarray(values, float), np.asarray(errors, float)
    told = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    weights = np.where(told, 1 / np.where(told, errors, 1.0) ** 2, 0.0)
    sums = np.where(told, values, 0.0) * weights
    first = 1 / max(error, 1e-12) ** 2
    before = first + np.concatenate([[0.0], weights.cumsum()[:-1]])
    middle = (reference * first + np.concatenate([[0.0], sums.cumsum()[:-1]])) / before
    since = weights[::-1].cumsum()[::-1]
    held = since > 0
    recent = sums[::-1].cumsum()[::-1] / np.where(held, since, 1.0)
    spread = 1 / before + 1 / np.where(held, since, 1.0)
    # Changes of one, a half, … of what a single batch can tell: its own standard error.
    single = np.sqrt(1 / weights[told].max()) if told.any() else 1.0
    logs = []
    for size in (4.0, 1.0, 0.25):
        prior = (size * single) ** 2
        kept = prior / (spread + prior)
        z = (recent - middle) / np.sqrt(spread)
        one = 0.5 * np.log1p(-kept) + 0.5 * z * z * kept
        if worse != "either":
            one += math.log(2) + log_ndtr((z if worse == "higher" else -z) * np.sqrt(kept))
        logs.append(one)
    mixed = np.logaddexp.reduce(np.stack(logs), axis=0) - math.log(len(logs))
    return np.asarray(np.where(held, mixed, 0.0))


def of_p_values(p: Sequence[float | None]) -> float:
    """The log e-value of p-values that came one at each look, however they depend on one another.

    Each is turned into an e-value by the calibrator that mixes all powers of it, and counted with
    the weight of its look; the weights of all looks to come add up to 1. The sum never falls, so
    at no look is the chance that it has reached 20 above 5 %.

    References: Vovk and Wang (2021), Annals of Statistics 49:1736-1754, equation (2) for the
    calibrator and proposition 3.1 for means.

    >>> round(math.exp(of_p_values([0.5, 0.5])), 2), math.exp(of_p_values([0.5, 1e-9])) > 1000
    (0.43, True)
    """
    total = -math.inf
    for look, one in enumerate(p, 1):
        if one is not None:
            total = float(np.logaddexp(total, _weight(look) + calibrated(one)))
    return total


def calibrated(p: float) -> float:
    """The log of the e-value that a p-value is worth: (1 - p + p log p) / (p (log p)²).

    >>> round(math.exp(calibrated(0.01)), 2), round(math.exp(calibrated(1.0)), 2)
    (4.45, 0.5)
    """
    p = max(p, 1e-300)
    log = math.log(p)
    if log > -1e-4:
        return math.log(0.5)
    return math.log((1 - p + p * log) / (log * log)) - log


def _weight(look: int) -> float:
    return -math.log(look * (look + 1))


def e_process(logs: Any) -> float:
    """The log of the evidence at this look that there was a change, whenever it was.

    The mean of the e-values over all moments of change, also those to come, with the weight
    1 / (j (j + 1)) for the j-th: late changes are found too, at the price of a few batches more.

    Args:
        logs: (t,) log e-values, the first for a change at the first batch.

    >>> e_process([0.0, 0.0])
    0.0
    """
    logs = np.asarray(logs, float)
    looks = np.arange(1, len(logs) + 1)
    still = -math.log(len(logs) + 1)  # the changes to come, for which the e-value is 1
    weights = -np.log(looks * (looks + 1))
    return float(np.logaddexp.reduce(np.concatenate([logs + weights, [still]])))


def e_bh(logs: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Which of many e-values alarm so that at most a share `level` of the alarms is false.

    Holds however they depend on one another and at whatever look one stops; where nothing at all
    has changed, the chance that anything ever alarms is at most `level`.

    Reference: Wang and Ramdas (2022), Journal of the Royal Statistical Society B 84:822-852.

    >>> e_bh([math.log(30), math.log(50), 0.0])
    [True, True, False]
    """
    many = len(logs)
    order = sorted(range(many), key=lambda place: -logs[place])
    found = 0
    for rank, place in enumerate(order, 1):
        if logs[place] >= math.log(many / (level * rank)) - 1e-12:
            found = rank
    alarmed = set(order[:found])
    return [place in alarmed for place in range(many)]


def share_sequence(hits: float, n: float, level: float = LEVEL) -> Interval:
    """The interval of a share that holds at every look at once, while rows come in.

    Reference: Robbins (1970) with a Beta(1/2, 1/2) mixture; Howard, Ramdas, McAuliffe and Sekhon
    (2021), Annals of Statistics 49:1055-1080, section 3.

    >>> interval = share_sequence(30, 100)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.166, 0.463)
    """
    from scipy.optimize import brentq
    from scipy.special import betaln, xlog1py, xlogy

    if n <= 0:
        return Interval(0.0, 1.0, "none: no rows")
    misses = n - hits
    mixed = betaln(JEFFREYS + hits, JEFFREYS + misses) - betaln(JEFFREYS, JEFFREYS)

    def beyond(share: float) -> float:
        return float(mixed - xlogy(hits, share) - xlog1py(misses, -share) + math.log(level))

    middle, tiny = hits / n, 1e-12
    inside = min(max(middle, tiny), 1 - tiny)
    low = brentq(beyond, tiny, inside) if middle > 0 and beyond(tiny) > 0 else 0.0
    high = brentq(beyond, inside, 1 - tiny) if middle < 1 and beyond(1 - tiny) > 0 else 1.0
    return Interval(float(low), float(high), "Beta mixture, at every look")


def mean_sequence(
    mean: float, deviation: float, n: float, *, tuned: float, level: float = LEVEL
) -> Interval:
    """The interval of a mean that holds at every look at once; narrowest near `tuned` rows.

    Holds in the limit of many rows, as intervals from a standard error do.

    Args:
        mean: of the rows so far.
        deviation: standard deviation of one row.
        n: rows so far.
        tuned: the number of rows at which it is to be narrowest.
        level: the chance that it ever misses.

    Reference: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics
    52:2613-2640, theorem 2.2 and appendix B.2 for the choice of rho.

    >>> interval = mean_sequence(0.0, 1.0, 1000, tuned=1000)
    >>> round(interval.high * math.sqrt(1000), 2)
    3.04
    """
    if n <= 0 or not math.isfinite(deviation):
        return Interval(None, None, "none: no rows")
    root = -2 * math.log(level)
    rho = (root + math.log(root) + 1) / tuned
    grown = n * rho + 1
    half = deviation * math.sqrt(2 * grown / (n * n * rho) * math.log(math.sqrt(grown) / level))
    return Interval(mean - half, mean + half, "normal mixture, at every look")
