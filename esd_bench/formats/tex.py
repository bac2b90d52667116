"""Any text for pdflatex without packages: specials escaped, Greek and arrows as mathematics, accents as commands."""

import unicodedata

SPECIAL = {
    **{x: f"\\{x}" for x in "&%$#_{}"},
    # Braces keep brackets and stars from being read as arguments of a line end.
    **{x: f"{{{x}}}" for x in "[]*"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    **{x: f"${x}$" for x in "<>|"},
    '"': "''",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\to$",
    "°": r"$^\circ$",
    "–": "--",
    "—": "---",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
}
NAMES = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "", "pi", "rho", "", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip
GREEK = {chr(0x3B1 + i): rf"$\{name}$" for i, name in enumerate(NAMES) if name}
ACCENTS = {
    0x300: "`",
    0x301: "'",
    0x302: "^",
    0x303: "~",
    0x308: '"',
    0x30A: "r",
    0x30C: "v",
    0x327: "c",
}


def tex(text: str) -> str:
    """Text that pdflatex sets; a character it has no letter for becomes its code, like [U+4E2D]."""
    return "".join(map(_letter, unicodedata.normalize("NFC", " ".join(text.split()))))


def _letter(letter: str) -> str:
    if letter in SPECIAL or letter in GREEK:
        return SPECIAL.get(letter) or GREEK[letter]
    if letter.isascii():
        return letter if letter.isprintable() else ""
    parts = unicodedata.normalize("NFD", letter)
    if len(parts) == 2 and parts[0].isascii() and ord(parts[1]) in ACCENTS:
        return rf"\{ACCENTS[ord(parts[1])]}{{{parts[0]}}}"
    return f"{{[}}U+{ord(letter):04X}{{]}}"
