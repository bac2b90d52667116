"""Contract of a timestep schedule: which noise level a step distils at.

``schedules/NAME.py`` holds a function ``NAME(...) -> Schedule``. A schedule is a tensor function of uniform numbers (one
per view), of progress (share of the steps done, in [0, 1)) and of the prior's abar_t; it returns integer t of the
numbers' shape. The student's own fit keeps t uniform over all levels, whatever the schedule (Algorithm 1).
"""

from collections.abc import Callable
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

from esd_bench.types import PerView, Timesteps

Schedule: TypeAlias = Callable[[PerView, Float[Tensor, ""], Float[Tensor, " t"]], Timesteps]
"""(uniform in [0, 1), progress, abar) -> t."""
