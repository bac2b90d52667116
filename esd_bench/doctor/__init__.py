"""doctor: what this machine offers, and what is wrong with a prior."""

from esd_bench.doctor.environment import Fact, check_environment
from esd_bench.doctor.prior import Report, diagnose

__all__ = ["Fact", "Report", "check_environment", "diagnose"]
