"""What other tools say of a table, run by whatever interpreter has them; see `defects.py`.

    python _rivals.py KIND FOLDER TARGET

The folder holds `clean.csv` and `dirty.csv`. Prints one JSON line: tool to cells, or to the reason
why it was not run. A contract is inferred from the clean table, which is more than assay is given.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

Cells = list[tuple[int, str]]


def pandera(clean: Any, dirty: Any, target: str) -> Cells:
    """A schema inferred from the clean table: types, nulls, and the range of every number."""
    import pandera.pandas as pa

    schema = pa.infer_schema(clean)
    try:
        schema.validate(dirty, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases
        cells = {
            (int(row), str(column))
            for row, column in zip(cases["index"], cases["column"], strict=True)
            if row == row and row is not None and column is not None
        }
        # A column that is of another type as a whole names no row: those that cannot be read.
        import pandas as pd

        for column in set(cases.loc[cases["check"].astype(str).str.startswith("dtype"), "column"]):
            bad = pd.to_numeric(dirty[column], errors="coerce").isna() & dirty[column].notna()
            if pd.api.types.is_numeric_dtype(clean[column]):
                cells |= {(int(row), str(column)) for row in dirty.index[bad]}
        return sorted(cells)
    return []


def pandera_alone(clean: Any, dirty: Any, target: str) -> Cells:
    """The same, with a schema inferred from the table that is to be judged."""
    return pandera(dirty, dirty, target)


def string_mismatch(clean: Any, dirty: Any, target: str) -> Cells:
    """deepchecks' StringMismatch: every spelling of a word but the most frequent."""
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.checks import StringMismatch

    words = [c for c in dirty.columns if dirty[c].dtype == object and dirty[c].nunique() <= 500]
    result = StringMismatch().run(Dataset(dirty, cat_features=words, label=None))
    cells: Cells = []
    for column, bases in result.value["columns"].items():
        for variants in bases.values():
            ordered = sorted(variants, key=lambda one: -one["count"])
            for one in ordered[1:]:
                rows = dirty.index[dirty[column] == one["variant"]]
                cells += [(int(row), column) for row in rows]
    return cells


def mixed_nulls(clean: Any, dirty: Any, target: str) -> Cells:
    """deepchecks' MixedNulls: every value that it takes for a null."""
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.checks import MixedNulls

    result = MixedNulls().run(Dataset(dirty, cat_features=[], label=None))
    cells: Cells = []
    for column, nulls in result.value["columns"].items():
        for word in (json.loads(text) if text.startswith('"') else text for text in nulls):
            cells += [(int(row), column) for row in dirty.index[dirty[column].astype(str) == word]]
    return cells


def mixed_types(clean: Any, dirty: Any, target: str) -> Cells:
    """deepchecks' MixedDataTypes: the rarer of strings and numbers in a column that has both."""
    import pandas as pd
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.checks import MixedDataTypes

    result = MixedDataTypes().run(Dataset(dirty, cat_features=[], label=None))
    cells: Cells = []
    for column, mix in result.value.items():
        if mix:
            words = pd.to_numeric(dirty[column], errors="coerce").isna() & dirty[column].notna()
            odd = words if mix["strings"] < mix["numbers"] else ~words & dirty[column].notna()
            cells += [(int(row), column) for row in dirty.index[odd]]
    return cells


def _features(dirty: Any, target: str) -> Any:
    import pandas as pd

    inputs = dirty.drop(columns=[target])
    keep = [
        c for c in inputs if pd.api.types.is_numeric_dtype(inputs[c]) or inputs[c].nunique() <= 50
    ]
    return pd.get_dummies(inputs[keep]).fillna(0).to_numpy(dtype=float)


def cleanlab_labels(clean: Any, dirty: Any, target: str) -> Cells:
    """cleanlab as its tutorial has it: out-of-fold probabilities of a forest."""
    from cleanlab.filter import find_label_issues
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_predict

    codes = dirty[target].astype("category").cat.codes.to_numpy()
    model = RandomForestClassifier(n_estimators=200, random_state=0, n_jobs=1)
    probabilities = cross_val_predict(
        model, _features(dirty, target), codes, cv=5, method="predict_proba"
    )
    issues = find_label_issues(
        codes, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    return [(int(row), target) for row in issues]


def cleanlab_numbers(clean: Any, dirty: Any, target: str) -> Cells:
    """cleanlab's CleanLearning for regression, with a forest."""
    from cleanlab.regression.learn import CleanLearning
    from sklearn.ensemble import RandomForestRegressor

    model = CleanLearning(
        RandomForestRegressor(n_estimators=50, random_state=0, n_jobs=1), seed=0, n_boot=1
    )
    issues = model.find_label_issues(_features(dirty, target), dirty[target].to_numpy(dtype=float))
    return [(int(row), target) for row in issues.index[issues["is_label_issue"]]]


def copies(clean: Any, dirty: Any, target: str) -> Cells:
    """pandas' own `duplicated`, which is what profilers call."""
    return [(int(row), "") for row in dirty.index[dirty.duplicated()]]


# Kind of defect: the rivals that look for it, the package that each needs, and what calls it.
Rival = Callable[[Any, Any, str], Cells]
PANDERA: list[tuple[str, str, Rival]] = [
    ("pandera told by the clean table", "pandera", pandera),
    ("pandera alone", "pandera", pandera_alone),
]
TYPES: tuple[str, str, Rival] = ("deepchecks MixedDataTypes", "deepchecks", mixed_types)
KINDS: dict[str, list[tuple[str, str, Rival]]] = {
    "missing": PANDERA,
    "words among numbers": [*PANDERA, TYPES],
    "units on few numbers": [*PANDERA, TYPES],
    "disguised words": [("deepchecks MixedNulls", "deepchecks", mixed_nulls)],
    "disguised numbers": PANDERA,
    "another scale": PANDERA,
    "impossible numbers": PANDERA,
    "outlying numbers": PANDERA,
    "spellings": [("deepchecks StringMismatch", "deepchecks", string_mismatch)],
    "slips in categories": [("deepchecks StringMismatch", "deepchecks", string_mismatch)],
    "wrong labels": [("cleanlab", "cleanlab", cleanlab_labels)],
    "wrong numeric targets": [("cleanlab", "cleanlab", cleanlab_numbers)],
    "copies": [("pandas duplicated", "pandas", copies)],
}


def main(kind: str, folder: str, target: str) -> None:
    warnings.simplefilter("ignore")
    found: dict[str, Any] = {}
    for title, package, call in KINDS.get(kind, []):
        if importlib.util.find_spec(package) is None or importlib.util.find_spec("pandas") is None:
            found[title] = f"{title} is not installed (pip install {package} pandas)"
            continue
        import pandas as pd

        # Words such as N/A are what the rival is to find, not the reader of CSV.
        clean, dirty = (
            pd.read_csv(Path(folder) / name, keep_default_na=False, na_values=[""])
            for name in ("clean.csv", "dirty.csv")
        )
        found[title] = call(clean, dirty, target)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:4])
