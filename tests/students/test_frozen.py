import pytest
import torch

from esd_bench.methods.esd import esd
from esd_bench.methods.sds import sds
from esd_bench.students import Student
from esd_bench.students.frozen import frozen
from tests.steps import step
from tests.tiny_prior import tiny_prior


def test_it_answers_base_rows_and_learns_nothing():
    prior = tiny_prior()
    student = frozen(prior, torch.arange(2))
    assert isinstance(student, Student)
    noised = step(prior, sds())
    wanted = prior.eps(noised.rows, noised.t, noised.text, ("base", "base"))
    assert torch.equal(student.predict(noised, sds().rows), wanted)
    assert torch.equal(student.fit(noised, 0.5, torch.ones(2)), torch.zeros(2))
    assert student.state() == {}
    student.restore({})


def test_student_rows_are_refused():
    noised = step(tiny_prior(), esd())
    with pytest.raises(ValueError, match="'camera' needs a student"):
        frozen(tiny_prior(), torch.arange(2)).predict(noised, esd().rows)
