"""`python -m alphintra_lab` is the command line."""

from .cli import main

raise SystemExit(main())
