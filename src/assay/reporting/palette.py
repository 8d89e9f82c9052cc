"""The report's colours: for light and for dark, told apart by colour-blind eyes as well."""

from __future__ import annotations

# How much of a colour the darkest cell of a confusion matrix takes on, in percent, so that the
# number in it stays readable: for light and for dark.
DEEPEST = (55, 40)

# name: (light, dark). Text colours reach a contrast of 4.5 on `paper` and `card`, marks 3.
COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#fbfbfa", "#101317"),
    "card": ("#ffffff", "#171b20"),
    "sunken": ("#f2f3f3", "#1f242b"),
    "line": ("#dfe2e5", "#2e353d"),
    "grid": ("#e9ebed", "#252b32"),
    "ink": ("#16202b", "#e8ebef"),
    "soft": ("#55606c", "#a3adb8"),
    "accent": ("#0b5cad", "#6db3f2"),
    "mark": ("#1769bd", "#58a6ee"),
    "train": ("#7b8b9c", "#6f8091"),
    "validation": ("#b25a00", "#f0a04b"),
    "test": ("#0b5cad", "#6db3f2"),
    "good": ("#0a7355", "#3cc79b"),
    "fair": ("#9f5500", "#eda13a"),
    "bad": ("#b8243f", "#ff7d8c"),
    "good-area": ("#dcf1e9", "#12362c"),
    "fair-area": ("#fdefd9", "#3a2c14"),
    "bad-area": ("#fde6e8", "#3d1c22"),
}
