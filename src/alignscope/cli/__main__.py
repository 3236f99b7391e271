"""``python -m alignscope.cli``."""

import sys

from alignscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
