"""`python -m rxstream`: the command line. The only import that goes up."""

from rxstream.adapters.cli import main

raise SystemExit(main())
