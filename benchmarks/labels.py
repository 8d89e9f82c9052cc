"""Wrong labels planted in real data: what is found, beside cleanlab's own default pipeline.

Classes are flipped at random to another class, numbers are written ten times too high or low or
exchanged with another row's. cleanlab's side is its `CleanLearning` with what its own tutorials put
into it: a logistic regression of TF-IDF, or of scaled and one-hot columns (linear regression for
numbers). Errors that stand in the data already count against both sides alike.

    python -m benchmarks.labels --data ../shared/data
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl

from assay.steps._doubt import doubts, kinds_of

MOST = 20_000


def classes(folder: Path) -> dict[str, tuple[pl.DataFrame, pl.Series]]:
    """Inputs and classes by the name of the data."""
    pairs = [
        line.split("\t", 1)
        for line in (folder / "text/sms_spam.tsv").read_text(encoding="utf-8").split("\n")
        if "\t" in line
    ]
    medical = pl.read_csv(folder / "text/medical_abstracts.csv")
    banking = pl.read_csv(folder / "text/banking77_train.csv")
    adult = pl.read_csv(folder / "tabular/adult-train.csv", has_header=False, n_rows=MOST)
    adult = adult.with_columns(pl.col(pl.String).str.strip_chars())
    return {
        "sms_spam": (pl.DataFrame({"text": [b for _, b in pairs]}), _named([a for a, _ in pairs])),
        "medical_abstracts": (
            medical.select(text="medical_abstract"),
            _named(medical["condition_label"].to_list()),
        ),
        "adult": (adult[:, :-1], _named(adult[:, -1].to_list())),
        "banking77": (banking.select("text"), _named(banking["category"].to_list())),
    }


def numbers(folder: Path) -> dict[str, tuple[pl.DataFrame, pl.Series]]:
    """Inputs and numbers by the name of the data."""
    products = pl.read_ndjson(folder / "prices/products.jsonl", infer_schema_length=None)
    loans = pl.read_csv(
        folder / "tabular/loans.csv", infer_schema_length=None, null_values="NA"
    ).drop("rownames")
    found = {"products: price": (products.select("title", "text", "category"), products["price"])}
    for name in ("interest_rate", "loan_amount"):
        found[f"loans: {name}"] = (loans.drop(name), loans[name])
    return {key: (x, y.cast(pl.Float64).alias("y")) for key, (x, y) in found.items()}


def _named(values: list) -> pl.Series:
    return pl.Series("y", [str(value) for value in values])


def flipped(y: pl.Series, rate: float, seed: int) -> tuple[pl.Series, np.ndarray]:
    """Another class in place of a share of them, and where."""
    rng = np.random.default_rng(seed)
    names = y.unique().sort()
    codes = y.replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    wrong = rng.random(len(y)) < rate
    other = (codes + rng.integers(1, len(names), len(y))) % len(names)
    return names.gather(np.where(wrong, other, codes)).alias("y"), wrong


def corrupted(y: pl.Series, rate: float, seed: int) -> tuple[pl.Series, np.ndarray]:
    """Numbers ten times too high or low, or another row's, and where."""
    rng = np.random.default_rng(seed)
    values = y.to_numpy()
    kind = rng.integers(0, 3, len(y))
    made = np.where(
        kind == 0, values * 10, np.where(kind == 1, values / 10, rng.permutation(values))
    )
    wrong = (rng.random(len(y)) < rate) & (np.abs(made - values) > 1e-9)
    return pl.Series("y", np.where(wrong, made, values)), wrong


def by_assay(x: pl.DataFrame, y: pl.Series, task: str, seed: int) -> np.ndarray:
    """Which rows assay doubts."""
    rows = x.with_columns(_row=pl.int_range(x.height, dtype=pl.UInt64) * 7919)
    found = doubts(rows, y, kinds_of(x), task="class" if task == "class" else "number", seed=seed)
    return found.frame["doubted"].fill_null(False).to_numpy()


def by_cleanlab(x: pl.DataFrame, y: pl.Series, task: str, seed: int) -> np.ndarray:
    """Which rows cleanlab calls label issues."""
    import cleanlab
    from sklearn.compose import ColumnTransformer
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    texts = [name for name in ("title", "text") if name in x.columns]
    if texts:
        joined = x.select(pl.concat_str(texts, separator="\n", ignore_nulls=True))[texts[0]]
        features = TfidfVectorizer().fit_transform(joined.fill_null("").to_list())
    else:
        names = [n for n, d in x.schema.items() if d.is_numeric()]
        frame = x.with_columns(pl.col(pl.String).fill_null("?")).to_pandas()
        filled = make_pipeline(SimpleImputer(), StandardScaler())
        levels = OneHotEncoder(
            handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False
        )
        rest = [n for n in x.columns if n not in names]
        features = ColumnTransformer(
            [("n", filled, names), ("c", levels, rest)], sparse_threshold=0
        ).fit_transform(frame)
    if task == "class":
        codes = y.cast(pl.Enum(y.unique().sort())).to_physical().to_numpy().astype(int)
        tool = cleanlab.classification.CleanLearning(
            LogisticRegression(max_iter=1000), seed=seed, find_label_issues_kwargs={"n_jobs": 1}
        )
        found = tool.find_label_issues(features, codes)
    else:
        if texts:
            # It takes no sparse matrix.
            features = TruncatedSVD(100, random_state=seed).fit_transform(features)
        tool = cleanlab.regression.learn.CleanLearning(LinearRegression(), seed=seed, n_boot=2)
        found = tool.find_label_issues(features, y.to_numpy())
    return found["is_label_issue"].to_numpy()


def measured(found: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    hit = int((found & wrong).sum())
    precision, recall = hit / max(1, int(found.sum())), hit / max(1, int(wrong.sum()))
    both = 2 * precision * recall / (precision + recall) if hit else 0.0
    return {"finds": int(found.sum()), "precision": precision, "recall": recall, "f1": both}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = os.environ.get("ASSAY_SHARED_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--rates", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    parser.add_argument("--only", nargs="+", help="names of data, or parts of them")
    parser.add_argument("--no-rival", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    jobs = [("class", *item) for item in classes(options.data).items()]
    jobs += [("number", *item) for item in numbers(options.data).items()]
    sides = {"assay": by_assay} | ({} if options.no_rival else {"cleanlab": by_cleanlab})
    for task, name, (x, y) in jobs:
        if options.only and not any(part in name for part in options.only):
            continue
        for rate in options.rates if task == "class" else [0.03]:
            spoil = flipped if task == "class" else corrupted
            written, wrong = spoil(y, rate, options.seed)
            for side, find in sides.items():
                start = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = find(x, written, task, options.seed)
                took = time.perf_counter() - start
                said = "  ".join(
                    f"{key} {value:,.3f}" if isinstance(value, float) else f"{key} {value:,}"
                    for key, value in measured(found, wrong).items()
                )
                print(f"{name:24} {rate:4.0%} {side:9} {said}  {took:.1f} s", flush=True)


if __name__ == "__main__":
    main()
