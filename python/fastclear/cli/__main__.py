"""``python -m fastclear.cli``."""

from fastclear.cli import main

if __name__ == "__main__":
    main()
