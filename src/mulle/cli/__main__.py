"""`python -m mulle.cli`."""

from mulle.cli.main import main

main()
