"""The tests; ``checked`` is the type checker that pytest puts on every function of esd_bench (see pyproject.toml)."""

from contextlib import suppress
from functools import partial
from importlib.machinery import SourceFileLoader
from types import CodeType
from typing import Any
from unittest.mock import patch

from beartype import BeartypeConf, beartype

# With Python's numeric tower: an int is a float.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))

# While it runs a checked module, jaxtyping seeks all byte code under names of its own, also of what the module imports:
# every worker would compile torch and diffusers again. Only the checked code itself needs that name.
with suppress(ImportError):
    from jaxtyping._import_hook import _JaxtypingLoader, _optimized_cache_from_source

    def _own_code(self: Any, fullname: str) -> CodeType | None:
        tagged = partial(_optimized_cache_from_source, self._typechecker.get_hash())
        with patch("importlib._bootstrap_external.cache_from_source", tagged):
            return SourceFileLoader.get_code(self, fullname)

    _JaxtypingLoader.get_code = _own_code
    _JaxtypingLoader.exec_module = SourceFileLoader.exec_module
