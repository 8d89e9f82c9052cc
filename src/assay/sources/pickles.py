"""Pickled tables and records, read without running any code that the file names.

A pickle is a program. This reader executes only a short list of constructors that build plain
data. A class it does not know is replaced by an inert stand-in that holds the attributes and
nothing else; the class is never imported. What would have to be called is refused by name.
Reference: https://docs.python.org/3/library/pickle.html#restricting-globals
"""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from assay.errors import SourceError

# module: names that only build data. Old names of moved modules are mapped in _MOVED.
_SAFE: dict[str, frozenset[str]] = {
    module: frozenset(names.split())
    for module, names in {
        "builtins": "set frozenset bytearray complex slice range list dict tuple int float bool "
        "str bytes object",
        "collections": "OrderedDict defaultdict deque Counter",
        "datetime": "date datetime time timedelta timezone",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "uuid": "UUID",
        "types": "SimpleNamespace",
        "numpy": "dtype ndarray bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 "
        "float32 float64 str_ bytes_ datetime64 timedelta64",
        "numpy._core.multiarray": "_reconstruct scalar",
        "numpy._core.numeric": "_frombuffer",
        "pandas": "DataFrame Series Index RangeIndex MultiIndex DatetimeIndex TimedeltaIndex "
        "PeriodIndex CategoricalIndex IntervalIndex Categorical CategoricalDtype DatetimeTZDtype "
        "PeriodDtype IntervalDtype StringDtype BooleanDtype Int8Dtype Int16Dtype Int32Dtype "
        "Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype Float32Dtype Float64Dtype NA",
        "pandas.arrays": "ArrowStringArray ArrowExtensionArray StringArray BooleanArray "
        "IntegerArray FloatingArray DatetimeArray TimedeltaArray NumpyExtensionArray",
        "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
        "pandas._libs.internals": "_unpickle_block",
        "pandas._libs.tslibs.nattype": "_nat_unpickle",
        "pandas._libs.tslibs.timedeltas": "_timedelta_unpickle",
        "pandas._libs.tslibs.timestamps": "_unpickle_timestamp",
        "pandas.core.arrays.arrow.array": "ArrowExtensionArray",
        "pandas.core.indexes.base": "_new_Index Index",
        "pandas.core.indexes.range": "RangeIndex",
        "pandas.core.indexes.datetimes": "_new_DatetimeIndex DatetimeIndex",
        "pandas.core.indexes.multi": "MultiIndex",
        "pandas.core.indexes.category": "CategoricalIndex",
        "pandas.core.internals.managers": "BlockManager SingleBlockManager",
        "pandas.core.frame": "DataFrame",
        "pandas.core.series": "Series",
        "pandas.core.arrays.categorical": "Categorical",
        "pandas.core.arrays.datetimes": "DatetimeArray",
        "pandas.core.arrays.timedeltas": "TimedeltaArray",
        "pandas.core.arrays.integer": "IntegerArray Int64Dtype Int32Dtype",
        "pandas.core.arrays.floating": "FloatingArray Float64Dtype",
        "pandas.core.arrays.boolean": "BooleanArray BooleanDtype",
        "pandas.core.arrays.string_": "StringArray StringDtype",
        "pandas.core.arrays.string_arrow": "ArrowStringArray",
        "pandas.core.dtypes.dtypes": "CategoricalDtype DatetimeTZDtype",
        "polars.dataframe.frame": "DataFrame",
        "polars.series.series": "Series",
        "pyarrow.lib": "py_buffer type_for_alias chunked_array",
    }.items()
}
_MOVED = {
    "__builtin__": "builtins",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
    "pandas.core.index": "pandas.core.indexes.base",
    "polars.internals.dataframe.frame": "polars.dataframe.frame",
    "polars.internals.series.series": "polars.series.series",
}


class _Record(type):
    """The type of stand-ins: an unknown class that can be made, but not called."""

    def __call__(cls, *_: object, **__: object) -> NoReturn:
        _refuse(cls.__module__, cls.__qualname__, "would have to be called")

    def __setattr__(cls, name: str, value: object) -> NoReturn:
        raise pickle.UnpicklingError("a pickle may not change a class")


class Record:
    """What stands in for an object of a class that is not known: its attributes and no more."""

    fields: dict[str, Any]

    def __new__(cls, *values: object) -> Record:
        made = object.__new__(cls)
        # As named tuples and the like are stored: values without names.
        made.__dict__["fields"] = {f"column_{at}": item for at, item in enumerate(values, 1)}
        return made

    def __setstate__(self, state: object) -> None:
        slots: object = None
        if isinstance(state, tuple) and len(state) == 2:
            state, slots = state
        if isinstance(state, dict) and isinstance(state.get("__dict__"), dict):
            state = state["__dict__"]  # as pydantic stores its models
        for part in (state, slots):
            if isinstance(part, dict):
                self.__dict__["fields"].update(part)


class _Reader(pickle.Unpickler):
    """An unpickler that knows data and nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._stand_ins: dict[tuple[str, str], Any] = {}
        self.handed_out: dict[type, dict[str, Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """The constructor of this name, a stand-in for an unknown class, or a refusal."""
        module = _MOVED.get(module, module)
        special = _SPECIAL.get((module, name))
        if special is not None:
            return special
        if name in _SAFE.get(module, ()):
            found = getattr(importlib.import_module(module), name)
            if isinstance(found, type):
                self.handed_out.setdefault(found, dict(vars(found)))
                return found
            # A fresh function for each file: a pickle can set attributes on what it is given.
            return _passing(found) if callable(found) else found
        if not _plain_name(name) or _importable(module):
            _refuse(module, name, "is not plain data")
        return self._stand_ins.setdefault((module, name), _stand_in(module, name))

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuse references to things outside of the file."""
        raise pickle.UnpicklingError("it refers to objects outside of the file")


def _stand_in(module: str, name: str) -> Any:
    return _Record(name, (Record,), {"__module__": module, "__qualname__": name})


def _passing(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*values: Any, **named: Any) -> Any:
        return function(*values, **named)

    return call


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How old protocols store bytes: as text in Latin-1."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes in an encoding that pickles do not use: {encoding}")
    return text.encode("latin-1")


def _reconstructor(kind: Any, base: type, state: object) -> object:
    """How old protocols make an object: without calling its class."""
    if isinstance(kind, _Record) and base is object:
        return Record.__new__(kind)  # type: ignore[arg-type]  # it extends Record
    if base is object and state is None and kind.__module__.partition(".")[0] in _FRAMES:
        made: object = object.__new__(kind)
        return made
    _refuse(kind.__module__, kind.__qualname__, "extends a built-in type")


def _restored(data: Any) -> Any:
    """An Arrow array from its buffers, which are checked before anything reads them."""
    import pyarrow as pa

    made = pa.lib._restore_array(data)
    made.validate(full=True)
    return made


_FRAMES = ("pandas", "polars")
_SPECIAL: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode,
    ("pyarrow.lib", "_restore_array"): _restored,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("copy_reg", "_reconstructor"): _reconstructor,
}


def _plain_name(name: str) -> bool:
    return all(part.isidentifier() and not part.startswith("__") for part in name.split("."))


def _importable(module: str) -> bool:
    """Whether the top module is Python's own or an installed one, told without importing it."""
    top = module.partition(".")[0]
    if top in ("__main__", "__mp_main__"):
        return False
    if top in sys.stdlib_module_names or not top.isidentifier():
        return True
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return True
    places = [found.origin or "", *(found.submodule_search_locations or ())] if found else []
    return any("site-packages" in place or "dist-packages" in place for place in places)


def _refuse(module: str, name: str, why: str) -> NoReturn:
    raise SourceError(
        f"This pickle names {module}.{name}, which {why}; it was not run.",
        received=f"{module}.{name}",
        allowed="DataFrames, Series, arrays, and lists of dicts or of plain objects",
        hint="if you trust the file, load it yourself and save it as JSONL or Parquet",
    )


def read(path: Path) -> Any:
    """Load a pickle of plain data; objects of unknown classes come as `Record`.

    Raises:
        SourceError: the pickle names anything that is not plain data, or is damaged.
    """
    with path.open("rb") as file:
        reader = _Reader(file)
        try:
            return reader.load()
        except SourceError as error:
            raise SourceError(
                error.what, where=str(path), received=error.received, allowed=error.allowed,
                hint=error.hint,
            ) from None  # fmt: skip
        except MemoryError:
            raise SourceError(
                "This pickle asks for more memory than there is.", where=str(path)
            ) from None
        except (
            pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError,
            TypeError, ValueError, AssertionError, OverflowError, RecursionError,
        ) as error:  # fmt: skip
            # Whatever a damaged or hostile stream makes the listed constructors raise.
            raise SourceError(f"This pickle cannot be read: {error}.", where=str(path)) from None
        finally:
            _restore(reader.handed_out)


def _restore(handed_out: dict[type, dict[str, Any]]) -> None:
    """Undo what a pickle may have set on the classes it was given."""
    for kind, before in handed_out.items():
        after = dict(vars(kind))
        for name in after.keys() - before.keys():
            delattr(kind, name)
        for name, value in before.items():
            if after.get(name, before) is not value:
                setattr(kind, name, value)
