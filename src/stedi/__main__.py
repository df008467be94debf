"""`python -m stedi`: the command line."""

from __future__ import annotations

from stedi.cli import main

if __name__ == "__main__":
    main()
