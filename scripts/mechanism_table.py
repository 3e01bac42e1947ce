"""Rewrite the table of docs/2_mechanisms.md from the one in fastclear.auction.properties.

python scripts/mechanism_table.py            rewrite it
python scripts/mechanism_table.py --check    say whether it is up to date, and change nothing
"""

from __future__ import annotations

import sys
from pathlib import Path

from fastclear.auction.properties import markdown

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "2_mechanisms.md"
BEGIN = "<!-- table of mechanisms: made by scripts/mechanism_table.py, change fastclear/auction/properties.py -->"
END = "<!-- end of the table of mechanisms -->"


def rewritten(text: str) -> str:
    """Return the document with the table as it should be.

    Raises
    ------
    SystemExit
        The markers are not there once each, in this order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in after:
        raise SystemExit(f"{DOCUMENT.name} lacks the markers of the table, or has them twice")
    return f"{before}{BEGIN}\n\n{markdown()}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Rewrite the document, or compare it."""
    text = DOCUMENT.read_text(encoding="utf-8")
    wanted = rewritten(text)
    if "--check" in arguments:
        print("up to date" if text == wanted else "out of date: run scripts/mechanism_table.py")
        return int(text != wanted)
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
