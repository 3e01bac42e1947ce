"""Rewrite the tables of docs/2_mechanisms.md and docs/2d_sharing.md from those of the package.

python scripts/mechanism_table.py            rewrite it
python scripts/mechanism_table.py --check    say whether it is up to date, and change nothing
"""

from __future__ import annotations

import sys
from pathlib import Path

from fastclear.auction.properties import PROPERTIES, Properties, markdown
from fastclear.sharing.properties import SHARING

DOCUMENTS = Path(__file__).resolve().parent.parent / "docs"
DOCUMENT = DOCUMENTS / "2_mechanisms.md"
TABLES: dict[Path, tuple[Properties, ...]] = {DOCUMENT: PROPERTIES, DOCUMENTS / "2d_sharing.md": SHARING}
BEGIN = "<!-- table of mechanisms: made by scripts/mechanism_table.py, change fastclear/auction/properties.py -->"
END = "<!-- end of the table of mechanisms -->"


def rewritten(text: str, rows: tuple[Properties, ...] = PROPERTIES) -> str:
    """Return the document with the table as it should be.

    Raises
    ------
    SystemExit
        The markers are not there once each, in this order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in after:
        raise SystemExit("a document lacks the markers of the table, or has them twice")
    return f"{before}{BEGIN}\n\n{markdown(rows)}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Rewrite the documents, or compare them."""
    stale = []
    for document, rows in TABLES.items():
        text = document.read_text(encoding="utf-8")
        wanted = rewritten(text, rows)
        if text != wanted:
            stale.append(document.name)
            if "--check" not in arguments:
                document.write_text(wanted, encoding="utf-8")
    if "--check" in arguments:
        print(f"out of date: {', '.join(stale)}; run scripts/mechanism_table.py" if stale else "up to date")
        return int(bool(stale))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
