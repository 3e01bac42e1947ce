"""``python -m fastclear``: the command line."""

from fastclear.cli import main

if __name__ == "__main__":
    main()
