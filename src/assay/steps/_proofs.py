"""Whether what looks like personal data is it: checksums, issuers, number plans, entropy.

Presidio's recognisers prove what they have one for, python-stdnum national ids, phonenumbers the
numbers of phones. Nothing here opens a connection.
"""

from __future__ import annotations

import functools
import importlib
import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from assay.errors import MissingExtra

# Where a number without a country's code is tried; more regions would prove almost any number.
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "IN", "BR", "AU", "CN", "JP")
ISSUERS = re.compile(
    r"4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14}|3[47]\d{13}|35(?:2[89]|[3-8]\d)\d{12}"
    r"|3(?:0[0-5]|[68]\d)\d{11}"
)
ENTROPY = 3.0
"""Bits a character from which a value behind `token:` is taken for a key and not for a word."""


class Proved(NamedTuple):
    """What a candidate holds.

    Attributes:
        value: in its one true spelling.
        start: where in the candidate it begins.
        end: where it ends.
    """

    value: str
    start: int
    end: int


def proof(name: str) -> Callable[[str], Proved | None]:
    """What proves a candidate, or gives None.

    Raises:
        MissingExtra: the libraries that prove personal data are not installed.
    """
    if name.startswith("stdnum."):
        return functools.partial(_national, name.removeprefix("stdnum."))
    proofs: dict[str, Callable[[str], Proved | None]] = {
        "as_is": lambda text: Proved(text, 0, len(text)),
        "entropy": lambda text: _whole(text if entropy(text) >= ENTROPY else None, text),
        "keyed": _keyed,
        "in_address": lambda text: _within(text, text[:-1].rpartition(":")[2]),
        "email": lambda text: _whole(_email(text), text),
        "iban": functools.partial(_presidio, "IbanRecognizer"),
        "card": lambda text: _whole(_card(text), text),
        "ipv4": lambda text: _whole(_ipv4(text), text),
        "ipv6": lambda text: _whole(_ipv6(text), text),
        "phone": lambda text: _whole(_phone(text, ("US",)), text),
        "phone_near": lambda text: _whole(_phone(text, REGIONS), text),
    }
    return proofs[name]


def entropy(text: str) -> float:
    """Shannon's entropy of the characters, in bits.

    >>> entropy("aaaa"), entropy("abcd")
    (0.0, 2.0)
    """
    shares = [count / len(text) for count in Counter(text).values()]
    return max(0.0, -sum(share * math.log2(share) for share in shares))


@functools.cache
def _recognizer(name: str) -> Any:
    try:
        from presidio_analyzer import Pattern, predefined_recognizers
    except ImportError:
        raise MissingExtra("curate", "Finding personal data") from None
    tool = getattr(predefined_recognizers, name)
    if name == "CreditCardRecognizer":
        # Its own pattern knows neither Mastercard's second series nor who issues what.
        return tool(patterns=[Pattern("digits", r"\b\d{14,19}\b", 0.3)])
    return tool()


def _presidio(name: str, text: str) -> Proved | None:
    tool = _recognizer(name)
    found = tool.analyze(text, tool.supported_entities, None)
    best = max(found, key=lambda one: one.end - one.start, default=None)
    return best and Proved(_plain(text[best.start : best.end]), best.start, best.end)


def _card(text: str) -> str | None:
    digits = _plain(text)
    if not ISSUERS.fullmatch(digits) or len(set(digits)) < 2:
        return None
    return digits if _presidio("CreditCardRecognizer", digits) else None


def _email(text: str) -> str | None:
    domain = text.rpartition("@")[2]
    # A domain that no list of suffixes knows is a handle, a decorator or a version of a package.
    if len(text) > 320 or ".." in text or not _domains()(domain.lower()).suffix:
        return None
    tool = _recognizer("EmailRecognizer")
    # Its patterns only: its own validation would fetch the list of suffixes from the network.
    matched = (re.search(pattern.regex, text) for pattern in tool.patterns)
    return text.lower() if any(matched) else None


@functools.cache
def _domains() -> Any:
    try:
        import tldextract
    except ImportError:
        raise MissingExtra("curate", "Finding personal data") from None
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def _ipv4(text: str) -> str | None:
    address, _, bits = text.partition("/")
    parts = address.split(".")
    if any(int(part) > 255 or (len(part) > 1 and part[0] == "0") for part in parts):
        return None
    if (bits and int(bits) > 32) or len(set(parts)) == 1:
        return None
    return address if _presidio("IpRecognizer", address) else None


def _ipv6(text: str) -> str | None:
    # Times (12:30:45) and names of C++ (std::a) are no addresses.
    if text.count(":") < 3 or not re.search(r"[0-9]", text) or len(text) < 8:
        return None
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        return None


def _keyed(text: str) -> Proved | None:
    """What stands behind `password:` or `api_key=`; None for a word or a number."""
    matched = re.search(r"""["']?\s{0,3}(?::=|=>|:|=)\s{0,3}["']?([^\s"'<>,;]+)$""", text)
    value = matched.group(1).rstrip(".)]}") if matched else ""
    mixed = re.search(r"[0-9]", value) and re.search(r"[A-Za-z]", value)
    if len(value) < 8 or not mixed or entropy(value) < ENTROPY - 0.5 or "://" in value:
        return None
    # Code that names a variable or calls a function holds no secret.
    return None if re.search(r"[(){}\[\]$]", value) else _within(text, value)


def _phone(text: str, regions: tuple[str, ...]) -> str | None:
    try:
        import phonenumbers
    except ImportError:
        raise MissingExtra("curate", "Finding personal data") from None

    for region in regions:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        # Some countries have local numbers so short that any part number is one.
        if len(_plain(text)) >= 9 and phonenumbers.is_valid_number(number):
            written: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            return written
    return None


def _national(country: str, text: str) -> Proved | None:
    if country == "gb.nino":
        # It has no checksum, and python-stdnum no module for it.
        return _presidio("UkNinoRecognizer", text)
    valid = _numbers(country).is_valid(text)
    return Proved(f"{country[:2]} {_plain(text)}", 0, len(text)) if valid else None


@functools.cache
def _numbers(country: str) -> Any:
    try:
        return importlib.import_module(f"stdnum.{country}")
    except ImportError:
        raise MissingExtra("curate", "Finding personal data") from None


def _whole(value: str | None, text: str) -> Proved | None:
    return None if value is None else Proved(value, 0, len(text))


def _within(text: str, value: str) -> Proved:
    start = text.rfind(value)
    return Proved(value, start, start + len(value))


def _plain(text: str) -> str:
    return re.sub(r"[\s.-]", "", text).upper()
