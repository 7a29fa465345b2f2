"""`python -m app.cli` is `xcrack`."""

from app.cli import main

main()
