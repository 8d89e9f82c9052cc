"""How personal data is written: for each kind the shapes it comes in, and how each is proved.

The patterns are of Rust's regular expressions (no look-around). A shape whose check a random number
would pass more than once in a hundred times counts only where a word nearby says what it is.
"""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("secret", "email", "iban", "card", "ip", "national_id", "phone")
"""Every kind; where two claim one place, the first wins."""

WORDS = {
    "secret": "a secret (password, key or token)",
    "email": "an e-mail address",
    "iban": "a bank account (IBAN)",
    "card": "a payment card",
    "ip": "an IP address",
    "national_id": "a national id",
    "phone": "a phone number",
}


@dataclass(frozen=True)
class Shape:
    """One way of writing one kind.

    Attributes:
        kind: of `KINDS`.
        pattern: what it looks like.
        proof: what proves it: a function of `_proofs.py`, or a module of python-stdnum.
        context: what must stand nearby or in the column's name; empty where the form is enough.
    """

    kind: str
    pattern: str
    proof: str
    context: str = ""


def _id(country: str, pattern: str, context: str = "") -> Shape:
    return Shape("national_id", rf"\b(?:{pattern})\b", f"stdnum.{country}", context)


_CALL = (
    r"(?i)\b(?:tel|t[eé]l[eé]phone|phone|phones|cell|cellphone|mobile|mobil|call|dial|fax|hotline|"
    r"whatsapp|sms|handy|telefon|rufnummer|tel[eé]fono|telefone|celular|numero|ph)\b"
)
_KEYED = (
    r"password|passwd|passwort|passphrase|pwd|secret|secret[_-]?key|api[_-]?key|apikey|"
    r"access[_-]?key|private[_-]?key|auth[_-]?token|access[_-]?token|refresh[_-]?token|token|"
    r"client[_-]?secret|account[_-]?key"
)
_PAY = (
    r"(?i)\b(?:cards?|visa|master ?card|amex|american express|maestro|jcb|diners|discover|credit|"
    r"debit|cc|pan|cvv|cvc|pay|paid|pays|payment|charge|charged|billing|kreditkarte|karte|carte|"
    r"tarjeta|cart[aã]o)\b"
)
_TAXES = r"(?i)steuer|\bidnr\b|\btin\b|tax"
_SOCIAL = r"(?i)\bssn\b|\bss ?#|social ?sec|tax ?(?:payer|id\b)"
# Italian codes that would be equal write letters for some digits.
_D = "[0-9LMNP-V]"
_DOUBLES = r"(?:[0-9]{2} ?){3}"

SHAPES = (
    Shape(
        "secret",
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY-----"
        r"(?:[\sA-Za-z0-9+/=:,\\-]*?-----END (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY-----)?",
        "as_is",
    ),
    Shape("secret", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", "as_is"),
    Shape("secret", r"\bgh[pousr]_[0-9A-Za-z]{36,}\b", "as_is"),
    Shape("secret", r"\bgithub_pat_[0-9A-Za-z_]{40,}\b", "as_is"),
    Shape("secret", r"\bglpat-[0-9A-Za-z_-]{20,}\b", "as_is"),
    Shape("secret", r"\bxox[abeprs]-[0-9A-Za-z-]{10,}\b", "as_is"),
    Shape("secret", r"\bAIza[0-9A-Za-z_-]{35}\b", "as_is"),
    Shape("secret", r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,}\b", "as_is"),
    Shape("secret", r"\bsk-(?:[a-z]{2,8}-)?[0-9A-Za-z_-]{20,}\b", "entropy"),
    Shape("secret", r"\b(?:hf|npm|pypi)[_-][0-9A-Za-z_-]{30,}\b", "entropy"),
    Shape("secret", r"\bSG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}\b", "as_is"),
    Shape(
        "secret",
        r"\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\b",
        "as_is",
    ),
    Shape("secret", r"://[^\s:/@<>]+:[^\s:/@<>]{3,}@", "in_address"),
    Shape(
        "secret",
        rf"(?i)(?:{_KEYED})[\"']?\s{{0,3}}(?::|=|:=|=>)\s{{0,3}}[\"']?[^\s\"'<>,;]{{8,}}",
        "keyed",
    ),
    Shape(
        "email",
        r"\w[\w.%&'*+/=?^`{|}~#!$-]*@\w(?:[\w.-]*\w)?\.\w(?:[\w-]*\w)?",
        "email",
    ),
    Shape("iban", r"\b[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?\b", "iban"),
    Shape("card", r"\b[2-6][0-9]{3}(?:(?: [0-9]{4}){3}|(?:-[0-9]{4}){3})\b", "card"),
    Shape("card", r"\b3[47][0-9]{2}(?: [0-9]{6} [0-9]{5}|-[0-9]{6}-[0-9]{5})\b", "card"),
    # One in fifty random numbers of 16 digits has the head and the checksum of a card.
    Shape("card", r"\b[2-6][0-9]{13,15}\b", "card", _PAY),
    Shape("card", r"\b3[068][0-9]{2}(?: [0-9]{6} [0-9]{4}|-[0-9]{6}-[0-9]{4})\b", "card", _PAY),
    Shape("ip", r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?\b", "ipv4"),
    Shape("ip", r"(?:\b[0-9A-Fa-f]{1,4})?(?::[0-9A-Fa-f]{0,4}){2,7}\b", "ipv6"),
    _id("us.ssn", r"[0-8][0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{4}", _SOCIAL),
    _id("es.dni", r"[0-9]{8}-?[A-Z]", r"(?i)\b(?:dni|nif|d\.n\.i|documento|identidad)\b"),
    _id("es.nie", r"[XYZ]-?[0-9]{7}-?[A-Z]", r"(?i)\b(?:nie|nif|extranjero|identidad)\b"),
    _id("it.codicefiscale", rf"[A-Z]{{6}}{_D}{{2}}[A-EHLMPRST]{_D}{{2}}[A-Z]{_D}{{3}}[A-Z]"),
    _id("fr.nir", r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]) ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}"),
    _id("de.idnr", r"[1-9][0-9](?: ?[0-9]{3}){3}", _TAXES),
    _id("pl.pesel", r"[0-9]{11}", r"(?i)\bpesel\b"),
    _id("nl.bsn", r"[0-9]{4}\.?[0-9]{2}\.?[0-9]{3}", r"(?i)\bbsn\b|burgerservice|\bsofi"),
    _id("be.nn", r"[0-9]{2}\.[01][0-9]\.[0-3][0-9]-[0-9]{3}\.[0-9]{2}"),
    _id(
        "se.personnummer",
        r"(?:19|20)?[0-9]{2}[01][0-9][0-3][0-9][-+]?[0-9]{4}",
        r"(?i)person(?:nummer|nr)",
    ),
    _id(
        "fi.hetu",
        r"[0-3][0-9][01][0-9]{3}[-+A][0-9]{3}[0-9A-FHJ-NPR-Y]",
        r"(?i)\bhetu\b|henkil[öo]tunnus|personbeteckning",
    ),
    _id("dk.cpr", r"[0-3][0-9][01][0-9]{3}-?[0-9]{4}", r"(?i)\bcpr\b"),
    _id("no.fodselsnummer", r"[0-9]{6} ?[0-9]{5}", r"(?i)f[øo]dselsnummer|person(?:nummer|nr)"),
    _id("ch.ssn", r"756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}"),
    _id("gb.nhs", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", r"(?i)\bnhs\b"),
    _id(
        "gb.nino",
        rf"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?{_DOUBLES}[A-D]",
        r"(?i)national insurance|\bnino\b|\bni (?:no|number)\b",
    ),
    _id("br.cpf", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"),
    _id("br.cpf", r"[0-9]{11}", r"(?i)\bcpf\b"),
    _id("ca.sin", r"[1-79][0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{3}", r"(?i)\bsin\b|social insurance"),
    _id("au.tfn", r"[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}", r"(?i)\btfn\b|tax file"),
    _id("in_.aadhaar", r"[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}", r"(?i)aadh?aar|\buidai\b"),
    _id("in_.pan", r"[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z]", r"\bPAN\b|(?i:permanent account)"),
    _id("cn.ric", r"[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9Xx]"),
    _id("kr.rrn", r"[0-9]{2}[01][0-9][0-3][0-9]-[1-8][0-9]{6}"),
    _id("tr.tckimlik", r"[1-9][0-9]{10}", r"(?i)\bt\.?c\.? ?(?:kimlik|no)|kimlik"),
    _id("za.idnr", r"[0-9]{6} ?[0-9]{4} ?[0-9]{3}", r"(?i)\b(?:said|south africa|id number)\b"),
    Shape("phone", r"\+[0-9](?:[ .()/-]{0,3}[0-9]){6,14}\b", "phone"),
    Shape(
        "phone",
        r"(?:\b1[ .-])?(?:\([2-9][0-9]{2}\) ?|\b[2-9][0-9]{2}[.-])[2-9][0-9]{2}[.-][0-9]{4}\b",
        "phone",
    ),
    Shape("phone", r"\(?\b0[0-9]{1,5}\)?(?:[ ./-]{1,3}[0-9]{2,8}){1,5}\b", "phone_near", _CALL),
    Shape("phone", r"\b[0-9]{10,11}\b", "phone_near", _CALL),
    Shape(
        "phone",
        r"\b(?:[2-9][0-9]{2} [2-9][0-9]{2} [0-9]{4}|[6-9][0-9]{4} [0-9]{5}|"
        r"[69][0-9]{2}(?: [0-9]{2}){3}|[3679][0-9]{2} [0-9]{3} [0-9]{3,4})\b",
        "phone_near",
        _CALL,
    ),
)  # fmt: skip

# Nothing of a kind is in a text that its gate does not find; a gate is one quick look for many.
GATES = {
    "secret": rf"PRIVATE KEY|AKIA|ASIA|gh[pousr]_|_pat_|glpat|xox|AIza|k_live|k_test|\bsk-|\bhf_|"
    rf"npm_|pypi-|\bSG\.|\beyJ|:[^\s:/@]+@|(?i:{_KEYED})[\"']?\s{{0,3}}[:=]",
    "email": "@",
    "iban": r"\b[A-Z]{2}[0-9]{2}[ -]?[A-Z0-9]{4}",
    "card": r"[0-9](?:[ -]?[0-9]){13}",
    "ip": r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f:]:[0-9A-Fa-f]{0,4}:",
    "national_id": r"[0-9](?:[ ./A-Z+-]{0,2}[0-9]){5}|[A-Z]{5}[0-9]{4}[A-Z]|[A-Z]{6}[0-9L-V]{2}",
    "phone": r"[0-9](?:[ .()/-]{0,3}[0-9]){6}",
}
