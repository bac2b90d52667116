"""``python -m esd_bench.cli``."""

from esd_bench.cli import main

main()
