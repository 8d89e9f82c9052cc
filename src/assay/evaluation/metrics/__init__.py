"""The catalogue of metrics: each public function of these modules is one.

A metric takes a `Scored` and a (b, n) matrix of weights and gives (b,) values. Its return
annotation says which way is better: `LowerIsBetter`, `HigherIsBetter` or `Proportion`.
"""

__all__: list[str] = []
