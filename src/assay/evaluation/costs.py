"""What a fit cost: memory, and the libraries that it used."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = {
    "numpy": "numpy",
    "polars": "polars",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "xgboost": "xgboost-cpu",
    "gensim": "gensim",
    "optuna": "optuna",
    "torch": "torch",
    "wordllama": "wordllama",
}
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Memory:
    """The most memory that this process held, in MB (10^6 bytes), once it has been measured."""

    mb: float | None = None


@contextmanager
def peak_memory() -> Iterator[Memory]:
    """Measure the most memory that the process holds within a `with` block.

    On Linux the kernel's own high-water mark is set back first. Elsewhere the mark of the whole
    process is given, which earlier work may have set.

    >>> with peak_memory() as memory:
    ...     block = bytearray(50_000_000)
    >>> memory.mb > 50
    True
    """
    # Where there is no such file, or no right to write to it, the mark stays where it was.
    with suppress(OSError):
        _RESET.write_text("5")
    memory = Memory()
    try:
        yield memory
    finally:
        memory.mb = round(_mark() / 1e6, 1)


def _mark() -> float:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most) * (1 if sys.platform == "darwin" else 1024)


def libraries() -> dict[str, str]:
    """The versions of the libraries that models have used so far in this process.

    >>> "polars" in libraries()
    True
    """
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for module, name in _LIBRARIES.items():
        if module in sys.modules:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                # Installed under another name, as xgboost can be.
                found[name] = str(getattr(sys.modules[module], "__version__", "?"))
    return found
