"""`python -m diff_harmonization.tools.workflows URL`: write the shipped workflows anew; URL is a running server's."""

from __future__ import annotations

import sys

from .build import write

if __name__ == "__main__":
    write(sys.argv[1].rstrip("/"))
