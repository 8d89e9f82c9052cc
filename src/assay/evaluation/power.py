"""How many rows a question needs, and how small a difference the rows there are can show."""

from __future__ import annotations

import math

POWER = 0.8


def needed_rows(n: int, difference: float, error: float, power: float = POWER) -> int | None:
    """About how many rows would tell two models apart that differ as much as these seem to.

    Args:
        n: rows now.
        difference: of the two models on them.
        error: its standard error on them.
        power: the chance to find a difference of this size.

    None where the difference is so small against its error that the number would mean nothing.

    Reference: Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, chapter 2.

    >>> needed_rows(100, 0.5, 0.3)  # standardised effect of 0.5 / (0.3 * 10)
    283
    """
    if not error > 0 or abs(difference) < error / 20:
        return None
    return math.ceil(n * (_reach(power) * error / abs(difference)) ** 2)


def detectable(error: float, power: float = POWER) -> float:
    """The smallest difference that a two-sided test at 5 % finds with this chance.

    Args:
        error: the standard error of the difference.
        power: the chance to find it.

    Reference: Miller (2024), Adding Error Bars to Evals, arXiv:2411.00640, section 5.

    >>> round(detectable(1.0), 3)
    2.802
    """
    return _reach(power) * error


def paired_rows(effect: float, power: float = POWER) -> int:
    """Rows that a paired t test needs for a standardised mean difference.

    Args:
        effect: the mean of the differences in units of their standard deviation.
        power: the chance to find it.

    Reference: Cohen (1988), chapter 2; R's `pwr.t.test(type = "paired")` gives the same.

    >>> paired_rows(0.5)
    34
    """
    n = 2
    while t_power(n, effect) < power:
        n += max(1, n // 200)
    while n > 2 and t_power(n - 1, effect) >= power:
        n -= 1
    return n


def t_power(n: int, effect: float, level: float = 0.05) -> float:
    """The chance that a two-sided paired t test finds a standardised mean difference.

    >>> round(t_power(60, 0.2, level=0.10), 7)  # as in the manual of R's pwr
    0.4555818
    """
    from scipy.stats import nct, t

    bound, shift = float(t.ppf(1 - level / 2, n - 1)), abs(effect) * math.sqrt(n)
    return float(nct.sf(bound, n - 1, shift) + nct.cdf(-bound, n - 1, shift))


def _reach(power: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.975) + ndtri(power))
