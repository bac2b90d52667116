"""The tests; ``checked`` is the type checker that pytest puts on every function of esd_bench (see pyproject.toml)."""

from beartype import BeartypeConf, beartype

# With Python's numeric tower: an int is a float.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
