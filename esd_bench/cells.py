"""Texts in a CSV that a spreadsheet must take for texts: a prompt, a name or a note may begin like a formula.

``=HYPERLINK(...)`` in somebody's prompt would run on the machine of whoever opens the table; with a ' before it, it does not.
"""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
"""Beginnings that a spreadsheet may take for a formula, and the ' itself, so that it can be taken away again."""


def plain(text: str) -> str:
    """A text as it is written.

    >>> plain("=cmd()"), plain("a cat"), plain("-0.5")
    ("'=cmd()", 'a cat', '-0.5')
    """
    return f"'{text}" if text.startswith(FORMULA) and not _number(text) else text


def back(text: str) -> str:
    """A text as it was, from what :func:`plain` made of it.

    >>> back("'=cmd()"), back("'twas")
    ('=cmd()', "'twas")
    """
    return text[1:] if text[:1] == "'" and text[1:].startswith(FORMULA) else text


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not text.startswith(("\t", "\r"))
