"""Personal data planted in sentences: what is found, what is not, and how fast.

Every kind is planted in sentences as people write them, a third of them without a word about what
follows, between sentences of numbers that are nobody's: prices, dates, part numbers, ISBNs,
versions, orders. Beside assay runs Presidio's `AnalyzerEngine` with its own pattern recognisers of
the same kinds and no language model; its word context works on plain tokens.

    python -m benchmarks.privacy --rows 20000
"""

from __future__ import annotations

import argparse
import string
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from assay.steps._personal import spans
from assay.steps._shapes import KINDS

SAID = {
    "email": ["Write to {} please", "my e-mail is {}", "Kontakt: {}", "{} bounced again"],
    "phone": ["Call me at {} tonight", "phone: {}", "Tel. {}", "reach our desk on {} any day"],
    "card": ["Pay with card {} today", "my Visa is {}", "charged to {} twice", "it was {} I think"],
    "iban": ["Transfer to {} today", "IBAN: {}", "refund went to {} instead", "{} is closed"],
    "ip": ["Login from {} failed", "the server at {} is down", "ping {} first", "seen {} twice"],
    "national_id": ["{word} {}", "my {word} is {}", "{word}: {}", "please note {} for the form"],
    "secret": ["password: {} works", "token={} expired", "use api_key: {} here", "{} was pushed"],
}
HARMLESS = [
    "It was ${0}.99 before, now ${1},299.00", "ISBN 978-3-16-1{0:05d}-{1}", "part {0}-{1}-{2}",
    "made on 20{3:02d}-0{4}-1{4} at 1{4}:3{4}:0{4}", "firmware v{4}.{3}.{4}.{3}", "order {5}",
    "model WD{0}X{1} rev. {3}", "fits {0:04d} {1:04d} {2:04d} {0:04d} and others",
    "tracking 1Z{5}A{0}", "size {3} x {3} x {3}, {4}.{3} kg", "EAN 40{5}", "lot {0}/{1}/{2}",
    "section {4}.{3}.{4} of 1{3} pages", "{0}.{1} EUR, {2} pieces", "gate {4}, seat {3}A",
    "GTIN 000{5}", "bolt {0:03d}-{1:03d}-{2:04d} for pump {3}", "batch {0}-{3}", "score 3:{4}",
    "serial {5}{0}", "resolution {0}x{1}, {3} bits", "patent US{5}", "VIN 1HGCM{0}3A{5}",
]  # fmt: skip


def _digits(rng: np.random.Generator, count: int) -> str:
    return "".join(rng.choice(list(string.digits), count))


def _letters(rng: np.random.Generator, count: int) -> str:
    return "".join(rng.choice(list(string.ascii_letters + string.digits), count))


def _tried(make: Callable[[], str], sound: Callable[[str], bool]) -> str:
    while not sound(one := make()):
        pass
    return one


def email(rng: np.random.Generator) -> tuple[str, str]:
    names = ["ann.lee", "j_smith", "marie+news", "o.k", "bob99", "li-wei", "info", "r.müller"]
    hosts = ["example.com", "mail.example.co.uk", "firma-nord.de", "uni-bonn.de", "shop.fr"]
    return str(rng.choice(names)) + _digits(rng, 2) + "@" + str(rng.choice(hosts)), "mail"


def phone(rng: np.random.Generator) -> tuple[str, str]:
    import phonenumbers as numbers

    region = str(rng.choice(["US", "GB", "DE", "FR", "ES", "IN"]))
    start = str(numbers.example_number_for_type(region, 1).national_number)

    def make() -> str:
        return start[:-5] + _digits(rng, 5)

    def sound(text: str) -> bool:
        return numbers.is_valid_number(numbers.parse(text, region))

    number = numbers.parse(_tried(make, sound), region)
    national = region == "US" and rng.random() < 0.5
    style = numbers.PhoneNumberFormat.NATIONAL if national else (
        numbers.PhoneNumberFormat.INTERNATIONAL if rng.random() < 0.7
        else numbers.PhoneNumberFormat.E164
    )  # fmt: skip
    return numbers.format_number(number, style), "phone"


def card(rng: np.random.Generator) -> tuple[str, str]:
    from stdnum import luhn

    start, count = [("4", 16), ("52", 16), ("2345", 16), ("6011", 16), ("37", 15)][rng.integers(5)]
    body = start + _digits(rng, count - len(start) - 1)
    body += luhn.calc_check_digit(body)
    if count == 15 or rng.random() < 0.4:
        return body, "card"
    joint = " " if rng.random() < 0.7 else "-"
    return joint.join(body[n : n + 4] for n in range(0, 16, 4)), "card"


def iban(rng: np.random.Generator) -> tuple[str, str]:
    from stdnum import iban as module

    country, form = [("DE", "18d"), ("NL", "ABNA10d"), ("GB", "NWBK14d"), ("ES", "")][
        rng.integers(3)
    ]
    letters, count = form[:-3], int(form[-3:-1])
    body = letters + _digits(rng, count)
    code = country + module.calc_check_digits(country + "00" + body) + body
    if rng.random() < 0.5:
        code = " ".join(code[n : n + 4] for n in range(0, len(code), 4))
    return code, "IBAN"


def ip(rng: np.random.Generator) -> tuple[str, str]:
    if rng.random() < 0.2:
        return "2001:db8:" + ":".join(f"{n:x}" for n in rng.integers(1, 65536, 6)), "IP"
    return ".".join(str(n) for n in rng.integers(1, 255, 4)), "IP"


def national_id(rng: np.random.Generator) -> tuple[str, str]:
    from importlib import import_module

    country, word, form = [
        ("us.ssn", "SSN", "ddd-dd-dddd"), ("es.dni", "DNI", "ddddddddL"),
        ("pl.pesel", "PESEL", "d" * 11),
        ("it.codicefiscale", "codice fiscale", "RSSMRAddAddLdddL"),
        ("ch.ssn", "AHV", "756.dddd.dddd.dd"),
        ("br.cpf", "CPF", "ddd.ddd.ddd-dd"), ("gb.nhs", "NHS number", "ddd ddd dddd"),
        ("nl.bsn", "BSN", "d" * 9), ("fr.nir", "NIR", "1dd05dddddddddd"), ("cn.ric", "id",
        "110105dddd0d1dddd" + "d"), ("in_.aadhaar", "Aadhaar", "dddd dddd dddd"),
        ("kr.rrn", "RRN", "dd0d1d-1dddddd"),
    ][rng.integers(12)]  # fmt: skip
    module = import_module(f"stdnum.{country}")

    def make() -> str:
        return "".join(
            _digits(rng, 1) if one == "d" else
            str(rng.choice(list(string.ascii_uppercase))) if one == "L" else one
            for one in form
        )  # fmt: skip

    return _tried(make, module.is_valid), word


def secret(rng: np.random.Generator) -> tuple[str, str]:
    made = [
        "AKIA" + _letters(rng, 16).upper(), "ghp_" + _letters(rng, 36), "xoxb-" + _digits(rng, 24),
        "AIza" + _letters(rng, 35), "sk-proj-" + _letters(rng, 40), "hf_" + _letters(rng, 34),
    ][rng.integers(6)]  # fmt: skip
    return made, "token"


MAKE = {"email": email, "phone": phone, "card": card, "iban": iban, "ip": ip,
        "national_id": national_id, "secret": secret}  # fmt: skip


def records(rows: int, seed: int, *, share: float) -> tuple[list[str], list[list[tuple]]]:
    """Texts of five sentences, and what is planted in each: kind, start, end."""
    rng = np.random.default_rng(seed)
    texts, planted = [], []
    for _ in range(rows):
        parts = [
            form.format(*rng.integers(100, 9999, 3), rng.integers(10, 28), rng.integers(1, 9),
                        _digits(rng, 10))
            for form in rng.choice(HARMLESS, 4)
        ]  # fmt: skip
        held = []
        if rng.random() < share:
            kind = str(rng.choice(list(MAKE)))
            value, word = MAKE[kind](rng)
            form = str(rng.choice(SAID[kind])).replace("{word}", word)
            place = int(rng.integers(5))
            parts.insert(place, form.format(value))
            before = sum(len(part) + 2 for part in parts[:place])
            start = before + parts[place].index(value)
            held.append((kind, start, start + len(value)))
        texts.append(". ".join(parts))
        planted.append(held)
    return texts, planted


def by_assay(texts: list[str]) -> list[list[tuple]]:
    """What assay finds."""
    found: list[list[tuple]] = [[] for _ in texts]
    for place, kind, start, end, _ in spans(pl.Series(texts), KINDS).iter_rows():
        found[place].append((kind, start, end))
    return found


def presidio() -> Callable[[list[str]], list[list[tuple]]]:
    """Presidio's engine with its pattern recognisers of our kinds, and nothing to download."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    tldextract.extract = offline  # the recogniser's own would fetch the list of suffixes
    ours = {"EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card",
            "IBAN_CODE": "iban", "IP_ADDRESS": "ip"}  # fmt: skip

    class Plain(NlpEngine):
        blank = spacy.blank("en")

        def load(self):
            pass

        def is_loaded(self):
            return True

        def process_text(self, text, language):
            doc = self.blank(text)
            words = [token.text.lower() for token in doc]
            return NlpArtifacts([], doc, [token.idx for token in doc], words, self, language)

        def process_batch(self, texts, language, **_):
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word, language):
            return False

        def is_punct(self, word, language):
            return False

        def get_supported_entities(self):
            return []

        def get_supported_languages(self):
            return ["en"]

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=Plain())
    engine = AnalyzerEngine(registry=registry, nlp_engine=Plain(), supported_languages=["en"])
    known = set(engine.get_supported_entities("en"))
    ids = {name: "national_id" for name in known if name.startswith(("US_SSN", "UK_NHS", "UK_NINO",
           "ES_", "IT_FISCAL", "PL_PESEL", "IN_AADHAAR", "KR_RRN", "SG_", "AU_TFN"))}  # fmt: skip
    names = {name: kind for name, kind in {**ours, **ids}.items() if name in known}

    def find(texts: list[str]) -> list[list[tuple]]:
        return [
            [(names[one.entity_type], one.start, one.end)
             for one in engine.analyze(text, "en", entities=list(names))]
            for text in texts
        ]  # fmt: skip

    return find


def score(planted: list[list[tuple]], found: list[list[tuple]]) -> pl.DataFrame:
    """Precision and recall of each kind; a find counts where it overlaps what was planted."""
    rows = []
    for kind in KINDS:
        there = [[one for one in held if one[0] == kind] for held in planted]
        said = [[one for one in held if one[0] == kind] for held in found]
        hit = sum(
            any(a[1] < b[2] and b[1] < a[2] for b in b_s)
            for a_s, b_s in zip(there, said, strict=True)
            for a in a_s
        )
        right = sum(
            any(a[1] < b[2] and b[1] < a[2] for a in a_s)
            for a_s, b_s in zip(there, said, strict=True)
            for b in b_s
        )
        total, every = sum(map(len, there)), sum(map(len, said))
        rows.append((kind, total, every, hit / max(1, total), right / every if every else None))
    return pl.DataFrame(rows, ["kind", "planted", "finds", "recall", "precision"], orient="row")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rival-rows", type=int, default=2_000)
    parser.add_argument("--share", type=float, default=0.3, help="rows that hold personal data")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    texts, planted = records(options.rows, options.seed, share=options.share)
    by_assay(texts[:200])  # imports
    start = time.perf_counter()
    found = by_assay(texts)
    ours = len(texts) / (time.perf_counter() - start)
    find = presidio()
    few, held = texts[: options.rival_rows], planted[: options.rival_rows]
    find(few[:20])
    start = time.perf_counter()
    theirs_found = find(few)
    theirs = len(few) / (time.perf_counter() - start)
    with pl.Config(tbl_hide_dataframe_shape=True, tbl_rows=20, float_precision=3):
        print("assay", score(planted, found), sep="\n")
        print("Presidio, patterns only", score(held, theirs_found), sep="\n")
    print(f"{ours:,.0f} rows/s against {theirs:,.0f}: {ours / theirs:.0f} times as fast")


if __name__ == "__main__":
    main()
