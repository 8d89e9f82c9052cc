"""Bytes of unknown encoding to UTF-8, and what was found said in words."""

from __future__ import annotations

import codecs
import re

import numpy as np
import pyarrow as pa

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Encodings in which the bytes of line ends, quotes and delimiters never stand for anything else,
# so that a file can be cut and split into lines before it is decoded.
_CUTTABLE = re.compile(
    r"ascii|utf_8(_sig)?|latin_1|iso8859_\d+|cp125\d|cp437|cp850|cp852|cp858|koi8_[rtu]"
    r"|mac_\w+|shift_jis\w*|cp932|gb2312|gbk|gb18030|big5\w*|euc_\w+|cp949"
)
_CANDIDATES = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r",
    "shift_jis", "cp932", "euc_jp", "gb18030", "big5", "euc_kr", "cp949", "mac_roman",
]  # fmt: skip
_ESCAPED = re.compile("[\udc80-\udcff]")


def mark(head: bytes) -> tuple[str | None, int]:
    """Find the encoding that a byte-order mark announces, and the mark's length in bytes.

    >>> mark(b"\\xef\\xbb\\xbfid,name")
    ('utf-8', 3)
    >>> mark(b"id,name")
    (None, 0)
    """
    for bom, name in _MARKS:
        if head.startswith(bom):
            return name, len(bom)
    return None, 0


def cuttable(encoding: str) -> bool:
    """Say whether text in this encoding can be cut at line ends before it is decoded.

    Raises:
        LookupError: Python knows no such encoding.

    >>> cuttable("cp1252"), cuttable("utf-16")
    (True, False)
    """
    return _CUTTABLE.fullmatch(codecs.lookup(encoding).name.replace("-", "_")) is not None


def is_utf8(data: bytes) -> bool:
    """Say whether the bytes are valid UTF-8, at several GB/s.

    >>> is_utf8("café".encode()), is_utf8("café".encode("cp1252"))
    (True, False)
    """
    if not data:
        return True
    ends = np.array([0, len(data)], dtype=np.int64)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
    try:
        pa.Array.from_buffers(pa.large_string(), 1, buffers).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def detect(sample: bytes) -> str:
    """Find the encoding of a sample of whole lines; for a mixture, that of its non-UTF-8 lines.

    Lines that are UTF-8 are always read as such, so the answer matters for the other lines only.

    >>> detect("naïve café".encode())
    'utf-8'
    >>> detect("Wie schön; für 5 €, naïve Gäste\\n".encode("cp1252") * 9)
    'cp1252'
    """
    named, _ = mark(sample)
    if named:
        return named
    wide = _without_mark(sample)
    if wide:
        return wide
    odd = [line for line in sample.split(b"\n") if not is_utf8(line)]
    if not odd:
        return "utf-8"
    return _guess(b"\n".join(odd)[:32_768])


def _without_mark(sample: bytes) -> str | None:
    """UTF-16 without a mark: one of the two bytes of nearly every letter is zero."""
    pairs = np.frombuffer(sample[: len(sample) // 2 * 2], dtype=np.uint8).reshape(-1, 2)
    if len(pairs) < 4:
        return None
    first, second = (pairs == 0).mean(axis=0)
    if second > 0.6 and first < 0.1:
        return "utf-16-le"
    if first > 0.6 and second < 0.1:
        return "utf-16-be"
    return None


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=_CANDIDATES).best()
    if best is None:
        return "cp1252"
    # On few letters sister code pages score alike; the most common one is then the best guess.
    western = from_bytes(data, cp_isolation=["cp1252"]).best()
    alike = western is not None and western.coherence >= best.coherence - 0.1
    return "cp1252" if alike and _western(data) else str(best.encoding)


def _western(data: bytes) -> bool:
    """Western letters beyond ASCII stand alone between plain ones, those of others in runs."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    runs = [len(run) for run in re.findall(r"[^\W\d_\x00-\x7f]+", text)]
    return not runs or sum(runs) / len(runs) < 1.7


def to_utf8(data: bytes, encoding: str = "utf-8") -> tuple[bytes, str | None]:
    """Turn whole lines into valid UTF-8; also say what was done where it was not the ordinary.

    `encoding` "utf-8" means: lines that are not UTF-8 are read as Windows-1252. With any other
    encoding, lines that are valid UTF-8 beyond ASCII are still read as UTF-8, since text of
    another encoding hardly ever is that by accident.

    >>> to_utf8(b"caf\\xc3\\xa9\\ncaf\\xe9\\n")[0].decode()
    'café\\ncafé\\n'
    >>> to_utf8(b"caf\\xc3\\xa9\\ncaf\\xe9\\n")[1]
    'mixed encodings: 1 line is not UTF-8 and was read as cp1252, the others as UTF-8'
    """
    if is_utf8(data):
        return data, None
    other = "cp1252" if encoding == "utf-8" else encoding
    lines = data.decode("utf-8", "surrogateescape")
    pieces: list[str] = []
    done, converted, replaced = 0, 0, False
    # Only over the lines that are not UTF-8.
    for found in _ESCAPED.finditer(lines):
        if found.start() < done:
            continue
        start = lines.rfind("\n", 0, found.start()) + 1
        stop = lines.find("\n", found.start())
        stop = len(lines) if stop < 0 else stop
        line = _line(lines[start:stop], other)
        pieces += (lines[done:start], line)
        done, converted, replaced = stop, converted + 1, replaced or "\ufffd" in line
    pieces.append(lines[done:])
    text = "".join(pieces)
    mixed = _has_utf8(lines)
    return text.encode(), _said(other, converted, mixed=mixed, replaced=replaced)


def _line(line: str, other: str) -> str:
    """Decode one line whose invalid bytes are held as lone surrogates."""
    raw = line.encode("utf-8", "surrogateescape")
    if other != "cp1252":
        try:
            return raw.decode(other)
        except UnicodeDecodeError:
            pass  # a line of a third encoding, or a damaged one
    if any("\x7f" < letter < "\ud800" for letter in line):
        # Valid UTF-8 stands beside the bad bytes, so only those are of another encoding.
        return _ESCAPED.sub(
            lambda bad: _decoded(bad[0].encode("utf-8", "surrogateescape"), other), line
        )
    return _decoded(raw, other)


def _decoded(raw: bytes, encoding: str) -> str:
    return raw.decode(encoding, "replace")


def _has_utf8(lines: str) -> bool:
    return re.search("[\x80-\ud7ff\ue000-\U0010ffff]", lines) is not None


def _said(encoding: str, count: int, *, mixed: bool, replaced: bool) -> str:
    lost = "; bytes that mean nothing in it became U+FFFD" if replaced else ""
    if not mixed:
        return f"encoding {encoding}{lost}"
    lines = "1 line is not UTF-8 and was" if count == 1 else f"{count} lines are not UTF-8 and were"
    return f"mixed encodings: {lines} read as {encoding}, the others as UTF-8{lost}"
