from __future__ import annotations

import contextlib
import io

import pytest

import alignscope
from alignscope.auditing import Audit
from alignscope.datasets.factors import FactorSample, example_pair
from alignscope.linear.path import lambda_grid

REMEDIES = ["prediction_first", "target", "budget", "capacity", "split"]


@pytest.fixture(scope="module")
def sample() -> FactorSample:
    return example_pair(400)


@pytest.fixture(scope="module", params=["fitted", "whitened"])
def audited(sample: FactorSample, request: pytest.FixtureRequest) -> Audit:
    return alignscope.audit(
        sample.x1, sample.x2, sample.y1, sample.y2, gauge=request.param, lambdas=lambda_grid(0.1, 10, 3)
    )


@pytest.mark.parametrize("direction", ["1", "2"])
@pytest.mark.parametrize("name", REMEDIES)
def test_the_call_of_a_remedy_reproduces_its_figures(
    sample: FactorSample, audited: Audit, direction: str, name: str
) -> None:
    remedy = audited.directions[direction].remedies[name]
    inputs = {"x1": sample.x1, "x2": sample.x2, "y1": sample.y1, "y2": sample.y2}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(remedy.call, inputs)
    sigma_z, alignment_r2 = map(float, printed.getvalue().split())
    assert sigma_z == pytest.approx(remedy.sigma_z, abs=1e-9)
    assert alignment_r2 == pytest.approx(remedy.alignment_r2, abs=1e-9)


def test_every_remedy_has_a_call(audited: Audit) -> None:
    assert list(audited.directions["1"].remedies) == REMEDIES
