"""The estimator: what scikit-learn asks of it, the identities that pin it, and its errors."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from itertools import pairwise

import numpy as np
import pandas
import pytest
import scipy.linalg as sla
from sklearn import config_context
from sklearn.base import clone
from sklearn.cross_decomposition import CCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from alignscope import AlignedReducedRank, AlignscopeError
from alignscope.linear import Problem, Solver
from alignscope.moments.moments import Moments

EXPECTED_FAILURES: dict[str, str] = {}
"""Name of a check of scikit-learn -> why it does not apply. Empty: all of them hold."""


@pytest.fixture
def rows():
    """x (N x D1), y (N x C), other (N x D2): one factor shared, one on each side."""
    rng = np.random.default_rng(7)
    shared, own, theirs = rng.normal(size=(3, 300, 1))
    x = np.hstack([shared, own]) @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(300, 6)) + 5
    other = np.hstack([shared, theirs]) @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(300, 5))
    y = np.hstack([shared, own, theirs, shared - own]) + 0.2 * rng.normal(size=(300, 4)) - 3
    return x, y, other


def reduced_rank_twin(x, y, k, ridge=0.0):
    """Reduced-rank (ridge) regression the slow way: least squares, then the top k right singular vectors of the fit."""
    xc, yc = x - x.mean(axis=0), y - y.mean(axis=0)
    root = np.sqrt(len(x) * ridge) * np.eye(x.shape[1])
    xa, ya = np.vstack([xc, root]), np.vstack([yc, np.zeros((x.shape[1], y.shape[1]))])
    b = np.linalg.lstsq(xa, ya, rcond=None)[0]
    _, _, vt = np.linalg.svd(xa @ b, full_matrices=False)
    return xc @ b @ vt[:k].T @ vt[:k] + y.mean(axis=0)


@pytest.mark.parametrize("estimator", [AlignedReducedRank(), AlignedReducedRank(3, lam=1.0, ridge=0.1)])
def test_scikit_learn_accepts_it(estimator):
    with warnings.catch_warnings():
        # scikit-learn notes once that the estimator does not inherit from BaseEstimator, which is on purpose.
        warnings.filterwarnings("ignore", message=".*does not inherit from `sklearn.base.BaseEstimator`")
        results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert set(failed) == set(EXPECTED_FAILURES), failed
    assert sum(r["status"] == "passed" for r in results) > 40


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize(
    "check",
    [
        "set_output_transform",
        "set_output_transform_pandas",
        "global_output_transform_pandas",
        "transformer_get_feature_names_out",
    ],
)
def test_its_frames_are_those_of_scikit_learn(check):
    getattr(estimator_checks, f"check_{check}")("AlignedReducedRank", AlignedReducedRank())


def test_embeddings_are_returned_in_the_frame_that_was_asked_for(rows):
    x, y, other = rows
    frame = pandas.DataFrame(x, index=np.arange(300) * 2, columns=[f"band {k}" for k in range(6)])
    estimator = AlignedReducedRank(3).fit(frame, y, other)
    plain = estimator.transform(frame)
    assert type(plain) is np.ndarray
    found = estimator.set_output(transform="pandas").transform(frame)
    assert (
        list(found.columns) == list(estimator.get_feature_names_out()) == [f"alignedreducedrank{k}" for k in range(3)]
    )
    assert (found.index == frame.index).all() and (found.to_numpy() == plain).all()
    assert type(estimator.predict(frame)) is np.ndarray and estimator.set_output() is estimator
    assert "_sklearn_output_config" not in repr(estimator) and repr(estimator) == "AlignedReducedRank(components=3)"
    with config_context(transform_output="pandas"):
        piped = make_pipeline(StandardScaler(), AlignedReducedRank(2))
        assert list(piped.fit_transform(frame, y).columns) == ["alignedreducedrank0", "alignedreducedrank1"]
    piped = make_pipeline(StandardScaler(), AlignedReducedRank(2)).set_output(transform="pandas")
    assert piped.fit_transform(frame, y).shape == (300, 2)
    with pytest.raises(AlignscopeError, match=r"transform: 'xarray' is not known. Use one of default, pandas, polars"):
        estimator.set_output(transform="xarray")
    with pytest.raises(NotFittedError, match=r"not fitted yet. Call fit before. \[E501\]"):
        AlignedReducedRank().get_feature_names_out()


def test_it_is_used_without_scikit_learn():
    code = (
        "import sys, numpy as np, alignscope\n"
        "e = alignscope.AlignedReducedRank(2).fit(np.eye(5), np.arange(5.0))\n"
        "try:\n    alignscope.AlignedReducedRank().predict(np.eye(5))\n"
        "except alignscope.AlignscopeError as error:\n    assert isinstance(error, AttributeError), error\n"
        "else:\n    sys.exit('no error')\n"
        "sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_without_another_modality_it_is_reduced_rank_regression(rows, k, ridge):
    x, y, _ = rows
    found = AlignedReducedRank(k, ridge=ridge).fit(x, y).predict(x)
    np.testing.assert_allclose(found, reduced_rank_twin(x, y, k, ridge), atol=1e-10)


def test_with_enough_components_it_is_linear_regression(rows):
    x, y, _ = rows
    found, twin = AlignedReducedRank(4).fit(x, y), LinearRegression().fit(x, y)
    np.testing.assert_allclose(found.predict(x), twin.predict(x), atol=1e-10)
    np.testing.assert_allclose(found.encoder_ @ found.head_, twin.coef_.T, atol=1e-10)
    assert found.score(x, y) == pytest.approx(found.sigma_z_, abs=1e-12)
    weighted = r2_score(y, twin.predict(x), multioutput="variance_weighted")
    assert found.score(x, y) == pytest.approx(weighted, abs=1e-12)


def test_with_a_ridge_it_is_ridge_regression(rows):
    x, y, _ = rows
    twin = Ridge(alpha=len(x) * 0.3).fit(x, y)
    np.testing.assert_allclose(AlignedReducedRank(9, ridge=0.3).fit(x, y).predict(x), twin.predict(x), atol=1e-10)


@pytest.mark.parametrize("gauge", ["fitted", "whitened"])
@pytest.mark.parametrize("lam", [0.0, 0.5, 20.0, float("inf")])
def test_it_is_the_solver_on_the_same_rows(rows, gauge, lam):
    x, y, other = rows
    moments = Moments.of({"x1": x, "x2": other, "y1": y, "y2": y[:, :2]})
    twin = Solver(Problem.from_moments(moments, 2, gauge=gauge)).at(lam)
    found = AlignedReducedRank(2, lam=lam, gauge=gauge).fit(x, y, other, y[:, :2])
    assert found.sigma_z_ == pytest.approx(twin.sigma_z, abs=1e-12)
    assert found.alignment_r2_ == pytest.approx(twin.alignment_r2, abs=1e-12)
    assert found.score(x, y) == pytest.approx(twin.sigma_z, abs=1e-12)


def test_finite_strength_is_the_generalised_eigenproblem(rows):
    x, y, other = rows
    xc = x - x.mean(axis=0)
    yc = y - y.mean(axis=0)
    yc *= np.sqrt(yc.size / np.square(yc).sum())
    oc = other - other.mean(axis=0)
    u, s, _ = np.linalg.svd(oc @ np.linalg.lstsq(oc, yc, rcond=None)[0], full_matrices=False)
    m = np.hstack([yc, np.sqrt(2.0) * u[:, :2] * s[:2]])
    _, v = sla.eigh(xc.T @ m @ m.T @ xc, xc.T @ xc, subset_by_index=[4, 5])
    found = AlignedReducedRank(2, lam=2.0).fit(x, y, other).encoder_
    assert np.max(sla.subspace_angles(found, v)) < 1e-7


def test_infinite_strength_in_the_cca_gauge_is_cca(rows):
    x, y, other = rows
    found = AlignedReducedRank(1, lam=float("inf"), gauge="cca").fit(x, y, other).transform(x)[:, 0]
    twin = CCA(1, max_iter=5000, tol=1e-12).fit(x, other).transform(x)[:, 0]
    assert abs(np.corrcoef(found, twin)[0, 1]) == pytest.approx(1, abs=1e-6)


def test_codes_are_white_and_signs_do_not_depend_on_row_order(rows):
    x, y, other = rows
    found = AlignedReducedRank(2, lam=1.0).fit(x, y, other)
    np.testing.assert_allclose(np.cov(found.transform(x).T, bias=True), np.eye(2), atol=1e-12)
    turned = AlignedReducedRank(2, lam=1.0).fit(x[::-1], y[::-1], other[::-1])
    np.testing.assert_allclose(turned.encoder_, found.encoder_, atol=1e-9)


def test_strength_trades_prediction_for_alignment(rows):
    x, y, other = rows
    fits = [AlignedReducedRank(1, lam=s).fit(x, y, other) for s in (0, 0.3, 3, 30, np.inf)]
    assert all(a.sigma_z_ >= b.sigma_z_ - 1e-12 for a, b in pairwise(fits))
    assert all(a.alignment_r2_ <= b.alignment_r2_ + 1e-12 for a, b in pairwise(fits))
    assert fits[0].alignment_r2_ + 0.01 < fits[-1].alignment_r2_


def test_strength_has_no_effect_without_another_modality(rows):
    x, y, _ = rows
    one, two = (AlignedReducedRank(2, lam=s).fit(x, y) for s in (0.0, float("inf")))
    np.testing.assert_array_equal(one.encoder_, two.encoder_)
    assert np.isnan(one.alignment_r2_)


def test_components_in_use_are_those_that_carry_anything(rows):
    x, y, other = rows
    assert AlignedReducedRank(50).fit(x, y).n_components_ == 4
    assert AlignedReducedRank(50).fit(x, y[:, 0]).n_components_ == 1
    assert AlignedReducedRank(50).fit(x, y, other).n_components_ == 6
    constant = AlignedReducedRank(3).fit(np.ones((4, 2)), [1.0, 2.0, 3.0, 6.0])
    assert constant.n_components_ == 0
    np.testing.assert_array_equal(constant.predict(np.ones((2, 2))), [3.0, 3.0])
    np.testing.assert_allclose(AlignedReducedRank().fit(x, np.full(300, 2.0)).predict(x), 2.0)


def test_it_works_in_the_company_of_scikit_learn(rows):
    x, y, _ = rows
    pipeline = make_pipeline(StandardScaler(), AlignedReducedRank())
    found = GridSearchCV(pipeline, {"alignedreducedrank__components": [1, 2, 3]}, cv=4).fit(x, y)
    assert found.best_params_ == {"alignedreducedrank__components": 2}
    assert found.best_score_ == pytest.approx(found.cv_results_["mean_test_score"].max())


def test_a_pipeline_passes_the_other_modality_on(rows):
    x, y, other = rows
    pipeline = make_pipeline(StandardScaler(), AlignedReducedRank(1, lam=5.0))
    pipeline.fit(x, y, alignedreducedrank__other=other)
    alone = AlignedReducedRank(1, lam=5.0).fit(StandardScaler().fit_transform(x), y, other)
    np.testing.assert_allclose(pipeline[-1].encoder_, alone.encoder_, atol=1e-12)


def test_clones_and_pickles_are_equal(rows):
    x, y, other = rows
    fitted = AlignedReducedRank(2, lam=3.0, gauge="whitened", ridge=0.1).fit(x, y, other)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(x), fitted.predict(x))
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "encoder_")
    assert repr(fitted) == "AlignedReducedRank(components=2, lam=3.0, gauge='whitened', ridge=0.1)"
    assert repr(AlignedReducedRank()) == "AlignedReducedRank()"


def test_torch_tensors_are_read(rows):
    torch = pytest.importorskip("torch")
    x, y, _ = rows
    tensors = torch.tensor(x, requires_grad=True), torch.tensor(y[:, 0])
    found = AlignedReducedRank().fit(*tensors)
    np.testing.assert_array_equal(found.predict(x), AlignedReducedRank().fit(x, y[:, 0]).predict(x))


class Table:
    """A data frame, as far as it matters here."""

    def __init__(self, values, columns):
        self.values, self.columns = values, columns

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


def test_column_names_are_kept_and_compared(rows):
    x, y, _ = rows
    names = [f"band {j}" for j in range(6)]
    found = AlignedReducedRank(2).fit(Table(x, names), y)
    assert list(found.feature_names_in_) == names
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        found.predict(x)
    with pytest.raises(AlignscopeError, match=r"(?s)must be in the same order.*E210"):
        found.predict(Table(x, names[::-1]))
    with pytest.raises(AlignscopeError, match=r"(?s)unseen at fit time:\n- red.*now missing:\n- band 0"):
        found.predict(Table(x, ["red", *names[1:]]))
    found.fit(x, y)
    assert not hasattr(found, "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names"):
        found.predict(Table(x, names))


def test_an_estimator_that_is_not_fitted_says_so():
    with pytest.raises(NotFittedError, match=r"AlignedReducedRank: this instance is not fitted yet.*E501") as caught:
        AlignedReducedRank().predict(np.eye(3))
    assert isinstance(caught.value, AlignscopeError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, NotFittedError)
    assert str(again) == str(caught.value)


X, Y = np.arange(12.0).reshape(6, 2) ** 2, np.arange(6.0)
BAD = [
    ({"components": 0}, (X, Y), r"components: 0.*E301"),
    ({"components": 1.5}, (X, Y), r"components: 1.5.*E301"),
    ({"components": "all"}, (X, Y), r"components: 'all'.*E301"),
    ({"lam": -1}, (X, Y), r"lam: -1.*at least 0.*E304"),
    ({"lam": float("nan")}, (X, Y), r"lam: nan.*E304"),
    ({"ridge": -1e-9}, (X, Y), r"ridge: -1e-09.*E304"),
    ({"ridge": float("inf")}, (X, Y), r"ridge: inf.*finite.*E304"),
    ({"gauge": "raw"}, (X, Y), r"gauge: 'raw' is not known.*fitted.*E305"),
    ({}, (X, None), r"requires y to be passed.*E201"),
    ({}, (X[:, 0], Y), r"X: expected 2D array, got 1D.*Reshape your data.*E201"),
    ({}, (X[:, :0], Y), r"X: 0 feature\(s\) \(shape=\(6, 0\)\).*E201"),
    ({}, (X[:1], Y[:1]), r"X: 1 sample \(shape=\(1, 2\)\) while a minimum of 2.*E205"),
    ({}, (X, Y[:5]), r"inconsistent numbers of samples: X has 6, y has 5.*E202"),
    ({}, (X, Y, X[:4]), r"X has 6, y has 6, other has 4.*E202"),
    ({}, (X, Y, X, Y[:4]), r"other_y has 4.*E202"),
    ({}, (X, Y, None, Y), r"other_y: given without other.*E201"),
    ({}, (X * 1j, Y), r"X: Complex data not supported.*E106"),
    ({}, (np.where(X == 4, np.nan, X), Y), r"X: it contains NaN or infinity, first at \(1, 0\).*E203"),
    ({}, (X, np.where(Y == 2, np.inf, Y)), r"y: it contains NaN or infinity, first at \(2,\).*E203"),
    ({}, (X, Y, np.where(X == 4, np.nan, X)), r"other: it contains NaN or infinity.*E203"),
    ({}, (X.astype(str), ["a"] * 6), r"y: could not convert string to float.*E106"),
    ({}, (X, Y[:, None, None]), r"y: expected 2D array, got 3D.*E201"),
]


@pytest.mark.parametrize(("parameters", "data", "message"), BAD)
def test_bad_input_is_refused(parameters, data, message):
    with pytest.raises(AlignscopeError, match=message):
        AlignedReducedRank(**parameters).fit(*data)


def test_another_width_and_unknown_parameters_are_refused():
    fitted = AlignedReducedRank().fit(X, Y)
    with pytest.raises(AlignscopeError, match=r"X has 1 features, but AlignedReducedRank is expecting 2.*E501"):
        fitted.predict(X[:, :1])
    with pytest.raises(AlignscopeError, match=r"no parameter 'rank'.*components.*E305"):
        fitted.set_params(rank=3)
    with pytest.raises(TypeError, match=r"float\(\) argument must be a string or a real number.*E106"):
        fitted.fit(np.array([[{}], [{}]]), [0.0, 1.0])
