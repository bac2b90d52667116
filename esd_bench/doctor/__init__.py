"""doctor: what this machine offers, what threestudio lacks, and what is wrong with a prior."""

from esd_bench.doctor.environment import Fact, check_environment
from esd_bench.doctor.prior import Report, diagnose
from esd_bench.doctor.threestudio import check_threestudio

__all__ = ["Fact", "Report", "check_environment", "check_threestudio", "diagnose"]
