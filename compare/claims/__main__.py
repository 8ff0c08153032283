"""`python -m compare.claims`."""

import sys

from . import main

sys.exit(main())
