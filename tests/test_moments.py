"""Moments merge exactly, in any order and split, in both forms; a basis is that of the rows."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twins
from alignscope._lib.contents import npz_arrays
from alignscope.errors import AlignscopeError
from alignscope.moments.moments import Form, Moments, merge
from strategies import Case, cases, seeds

FORMS: list[Form] = ["chan", "root"]


def exact(rows: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the centred co-moments, in extended precision."""
    x = rows.astype(np.longdouble)
    w = np.ones(len(x), dtype=np.longdouble) if weights is None else weights.astype(np.longdouble)
    mean = (w[:, None] * x).sum(axis=0) / w.sum()
    centred = x - mean
    return mean.astype(float), ((w[:, None] * centred).T @ centred).astype(float)


def comoments(m: Moments) -> np.ndarray:
    return m.matrix if m.form == "chan" else m.matrix.T @ m.matrix


def assert_moments(m: Moments, rows: np.ndarray, weights: np.ndarray | None = None) -> None:
    mean, c = exact(rows, weights)
    scale = np.sqrt(np.outer(np.diag(c), np.diag(c))) + 1e-300
    np.testing.assert_allclose(m.mean, mean, rtol=1e-13, atol=1e-13)
    assert np.abs((comoments(m) - c) / scale).max() < 1e-11
    assert m.weight == pytest.approx(len(rows) if weights is None else weights.sum())


def pieces(n: int, rng: np.random.Generator) -> list[np.ndarray]:
    """A random split of n rows into parts, some of a single row, in random order."""
    cuts = np.sort(rng.choice(np.arange(1, n), size=rng.integers(1, 7), replace=False))
    parts = np.split(rng.permutation(n), cuts)
    return [parts[k] for k in rng.permutation(len(parts))]


@pytest.mark.parametrize("form", FORMS)
@given(case=cases(), seed=seeds)
def test_merging_in_any_order_and_split_is_the_whole(form: Form, case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.hstack(list(case.blocks.values()))
    parts = [Moments.of({k: v[i] for k, v in case.blocks.items()}, form=form) for i in pieces(len(rows), rng)]
    assert_moments(merge(parts), rows)
    one_by_one = parts[0]
    for p in parts[1:]:
        one_by_one = one_by_one + p
    assert_moments(one_by_one, rows)
    middle = len(parts) // 2
    if middle:
        assert_moments(merge([merge(parts[middle:]), merge(parts[:middle])]), rows)
    assert one_by_one.rows == len(rows)


@pytest.mark.parametrize("form", FORMS)
@given(seed=seeds, far=st.floats(0, 6))
def test_means_that_drift_far_are_merged_exactly(form: Form, seed: int, far: float) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(90, 3)) + 10**far * np.repeat(rng.normal(size=(3, 3)), 30, axis=0)
    parts = [Moments.of({"x": p}, form=form) for p in np.split(rows, 3)]
    _, c = exact(rows)
    scale = np.sqrt(np.outer(np.diag(c), np.diag(c)))
    assert np.abs((comoments(merge(parts)) - c) / scale).max() < 1e-13


@pytest.mark.parametrize("form", FORMS)
def test_means_so_far_away_that_they_are_rounded_themselves(form: Form) -> None:
    """At 1e12 a float64 mean is off by 1e-4; centred once, that would be 1e-8 of the variance."""
    rng = np.random.default_rng(0)
    rows = 1e12 + rng.normal(size=(3000, 2)) * [1.0, 0.5]
    m = Moments.of({"x": rows}, form=form)
    mean, c = exact(rows)
    np.testing.assert_allclose(comoments(m), c, rtol=1e-12, atol=1e-12 * c.max())
    assert np.all(np.abs(m.mean - mean) <= np.spacing(1e12))


@pytest.mark.parametrize("form", FORMS)
@given(case=cases(), seed=seeds)
def test_whole_weights_are_repeated_rows(form: Form, case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 4, size=len(case.x1)).astype(float)
    weights[0] = 1
    weighted = Moments.of(case.blocks, weights, form)
    repeated = Moments.of({k: np.repeat(v, weights.astype(int), axis=0) for k, v in case.blocks.items()})
    np.testing.assert_allclose(comoments(weighted), comoments(repeated), atol=1e-9)
    np.testing.assert_allclose(weighted.mean, repeated.mean, atol=1e-12)
    assert weighted.weight == repeated.weight
    assert_moments(weighted, np.hstack(list(case.blocks.values())), weights)


@given(cases())
def test_chan_and_root_agree(case: Case) -> None:
    chan, root = (Moments.of(case.blocks, form=form) for form in FORMS)
    np.testing.assert_allclose(chan.matrix, root.matrix.T @ root.matrix, atol=1e-9)
    for ask in (
        lambda m: m.cross("x1", ("y1", "x2")),
        lambda m: m.energy("y2"),
        lambda m: m.basis(("x1", "x2")).rank,
        lambda m: m.square(("x1", "y1"), np.ones((case.x1.shape[1] + case.y1.shape[1], 2))),
        lambda m: np.abs(np.linalg.svd(m.basis("x1").coordinates("y1"), compute_uv=False)),
    ):
        np.testing.assert_allclose(ask(chan), ask(root), rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("form", FORMS)
@given(case=cases())
def test_what_moments_answer_is_true_of_the_rows(form: Form, case: Case) -> None:
    m = Moments.of(case.blocks, form=form)
    x1, x2, y1 = (twins.centred(v) for v in (case.x1, case.x2, case.y1))
    np.testing.assert_allclose(m.cross("x1", "x2"), x1.T @ x2, atol=1e-9)
    np.testing.assert_allclose(m.cross(("x2", "x1"), "y1"), np.hstack([x2, x1]).T @ y1, atol=1e-9)
    np.testing.assert_allclose(m.energy("y1"), np.square(y1).sum(axis=0), rtol=1e-12)
    w = case.rng().normal(size=(x1.shape[1] + y1.shape[1], 3))
    expected = np.square(np.hstack([x1, y1]) @ w).sum(axis=0)
    np.testing.assert_allclose(m.square(("x1", "y1"), w), expected, rtol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("names", [("x1",), ("x2", "x1")])
@given(case=cases())
def test_a_basis_is_orthonormal_and_spans_its_block(form: Form, names: tuple[str, ...], case: Case) -> None:
    m = Moments.of(case.blocks, form=form)
    basis = m.basis(names)
    x, y = twins.centred(np.hstack([case.blocks[k] for k in names])), twins.centred(case.y1)
    u = x @ basis.coefficients(np.eye(basis.rank))
    np.testing.assert_allclose(u.T @ u, np.eye(basis.rank), atol=1e-9)
    np.testing.assert_allclose(basis.coordinates("y1"), u.T @ y, atol=1e-8)
    beta = np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(basis.solve(x.T @ y), beta, atol=1e-8)
    np.testing.assert_allclose(basis.coefficients(basis.coordinates("y1")), beta, atol=1e-8)
    scaled = x / np.linalg.norm(x, axis=0)
    s = np.linalg.svd(scaled, compute_uv=False)
    if form == "root":
        assert basis.condition == pytest.approx(s[0] / s[-1], rel=1e-8)
    else:  # an estimate in another norm, good to within a small factor
        assert 0.3 * s[0] / s[-1] <= basis.condition <= 1.001 * np.sqrt(x.shape[1]) * s[0] / s[-1] * 3


def test_a_rank_deficient_block_in_root_form_has_its_rank_and_an_infinite_condition() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    basis = Moments.of({"x": np.hstack([x, x @ np.ones((3, 1)), 1e-9 * x[:, :1]])}).basis("x")
    assert basis.rank == 3
    assert basis.condition == np.inf
    assert basis.predicted_loss == 0


def test_a_direction_below_the_digits_that_the_mean_took_is_none() -> None:
    """Far away means leave rounding noise, which has a direction of its own; near ones leave a real direction alone."""
    z, noise = np.random.default_rng(0).normal(size=(2, 400, 1))
    far = Moments.of({"x": np.hstack([1e8 + z, 1e8 + 0.7 * z])}, form="root").basis("x")
    assert far.rank == 1
    near = Moments.of({"x": np.hstack([z, 0.7 * z + 1e-9 * noise])}, form="root").basis("x")
    assert near.rank == 2


@pytest.mark.parametrize("width", [2, 8, 16, 150])
def test_the_expected_loss_grows_with_the_squared_condition_and_falls_with_the_width_beyond_8(width: int) -> None:
    x = np.random.default_rng(0).normal(size=(600, width)) @ np.diag(np.geomspace(1, 0.1, width))
    x[:, -1] += 10 * x[:, 0]
    basis = Moments.of({"x": x}, form="chan").basis("x")
    expected = 0.5 * min(1.0, 8 / width) * np.finfo(float).eps * basis.condition**2
    assert basis.predicted_loss == pytest.approx(expected, rel=1e-12)


def test_the_chan_form_says_how_much_it_is_expected_to_lose() -> None:
    """Measured loss stays below what is predicted, from harmless to hopeless."""
    rng = np.random.default_rng(0)
    n, d = 400, 6
    for log_condition in (1, 3, 5, 6):
        mix = np.linalg.qr(rng.normal(size=(d, d)))[0] * np.geomspace(1, 10.0**-log_condition, d)
        x = rng.normal(size=(n, d)) @ mix @ np.linalg.qr(rng.normal(size=(d, d)))[0]
        y = rng.normal(size=(n, 1)) + x @ np.linalg.lstsq(x, rng.normal(size=(n, 1)), rcond=None)[0]
        m = Moments.of({"x": x, "y": y}, form="chan")
        sigma = np.square(m.basis("x").coordinates("y")).sum() / m.energy("y").sum()
        assert abs(sigma - twins.sigma(x, y)) <= max(m.basis("x").predicted_loss, 1e-13)


def test_a_duplicated_column_is_beyond_the_chan_form() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    basis = Moments.of({"x": np.hstack([x, x])}, form="chan").basis("x")
    assert basis.predicted_loss > 1e-9


@pytest.mark.parametrize("form", FORMS)
def test_two_names_for_the_same_columns(form: Form) -> None:
    """A modality that is its own target is held once."""
    x = np.random.default_rng(0).normal(size=(40, 3))
    here = Moments.of_rows(x, {"x1": slice(0, 3), "y1": slice(0, 3)}, form=form)
    np.testing.assert_allclose(here.square(("x1", "y1"), np.vstack([-np.eye(3), np.eye(3)])), 0, atol=1e-12)
    np.testing.assert_allclose(here.cross("x1", "y1"), here.cross("x1", "x1"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("rows", "weights", "match"),
    [
        (np.zeros((0, 2)), None, r"^moments: 0 rows of total weight 0\. Give rows\. \[E205\]$"),
        (np.ones((3, 2)), np.zeros(3), r"^moments: 3 rows of total weight 0\. Give rows\. \[E205\]$"),
    ],
)
def test_no_rows_are_refused(form: Form, rows: np.ndarray, weights: np.ndarray | None, match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        Moments.of({"x": rows}, weights, form)


def test_moments_of_other_columns_are_not_merged() -> None:
    a, b = Moments.of({"x": np.eye(3)}), Moments.of({"y": np.eye(3)})
    c = Moments.of({"x": np.eye(3)}, form="chan")
    for other in (b, c):
        with pytest.raises(AlignscopeError, match=r"^moments: parts of other blocks or another form.* \[E201\]$"):
            merge([a, other])


def test_one_part_is_itself() -> None:
    m = Moments.of({"x": np.eye(3)})
    assert merge([m]) is m
    assert merge(iter([m])) is m


def test_inputs_are_left_as_they_were() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    weights = np.linspace(0, 1, 20)
    before = x.copy(), weights.copy()
    for form in FORMS:
        a, b = Moments.of({"x": x}, weights, form), Moments.of({"x": x}, form=form)
        kept = a.matrix.copy()
        merge([a, b])
        a.basis("x", ridge=0.1).coordinates("x")
        np.testing.assert_array_equal(a.matrix, kept)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(weights, before[1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_singular_moments_in_the_chan_form_are_solved_within_what_they_span(dtype: type) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(80, 4)), rng.normal(size=(80, 2))
    x = np.hstack([x, x[:, :1], x[:, 1:2] - 2 * x[:, 2:3]])
    m = Moments.of({"x": x, "y": y}, form="chan")
    basis = m.basis("x")
    xc, yc = x - x.mean(axis=0), y - y.mean(axis=0)
    fitted = xc @ np.linalg.lstsq(xc, yc, rcond=None)[0]
    assert (basis.rank, basis.condition) == (4, np.inf)
    assert np.square(basis.coordinates("y")).sum() == pytest.approx(np.square(fitted).sum(), rel=1e-12)
    solved = basis.solve(m.cross("x", "y").astype(dtype))
    assert solved.dtype == dtype
    assert xc @ solved == pytest.approx(fitted, abs=1e-10 if dtype is np.float64 else 1e-5)
    assert xc @ basis.coefficients(basis.coordinates("y")) == pytest.approx(fitted, abs=1e-10)


@pytest.mark.parametrize("form", FORMS)
@given(case=cases())
def test_bytes_give_the_same_moments(form: Form, case: Case) -> None:
    m = Moments.of(case.blocks, form=form)
    m = replace(m, blocks={**m.blocks, "an alias": m.blocks["x1"]})
    content = m.to_bytes()
    back = Moments.from_bytes(content)
    assert back.to_bytes() == content
    assert (back.blocks, back.rows, back.weight, back.form) == (m.blocks, m.rows, m.weight, m.form)
    np.testing.assert_array_equal(back.mean, m.mean)
    np.testing.assert_array_equal(back.matrix, m.matrix)
    np.testing.assert_array_equal((back + m).matrix, (m + m).matrix)


BYTES = Moments.of({"x1": np.arange(12.0).reshape(4, 3) ** 2, "y1": np.eye(4)[:, :1]}, form="chan").to_bytes()


@given(st.data())
def test_damaged_bytes_are_refused(data: st.DataObject) -> None:
    """Cut short, or one byte changed: refused, or the same moments where that byte says nothing of them."""
    at = data.draw(st.integers(0, len(BYTES) - 1))
    damaged = data.draw(
        st.one_of(
            st.just(BYTES[:at]),
            st.integers(1, 255).map(lambda flip: BYTES[:at] + bytes([BYTES[at] ^ flip]) + BYTES[at + 1 :]),
            st.binary(max_size=200),
        )
    )
    try:
        found = Moments.from_bytes(damaged)
    except AlignscopeError as error:
        assert error.code == "E103"
    else:
        assert found.to_bytes() == BYTES


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"version": np.array(2)}, "version 2; this alignscope reads 1"),
        ({"matrix": np.eye(3)}, "parts that do not fit"),
        ({"mean": np.zeros((4, 2))}, "parts that do not fit"),
        ({"slices": np.array([[0, 3], [3, 9]])}, "parts that do not fit"),
        ({"slices": np.array([[0, 3]])}, "shorter"),
        ({"form": np.array("cholesky")}, "parts that do not fit"),
        ({"counts": np.array([4.0, 0.0])}, "parts that do not fit"),
        ({"mean": np.array([{}], dtype=object)}, "Object arrays cannot be loaded"),
        ({"names": None}, "names"),
    ],
)
def test_bytes_that_say_something_else_are_refused(changes: dict[str, np.ndarray | None], match: str) -> None:
    arrays = {name: value for name, value in {**npz_arrays(BYTES), **changes}.items() if value is not None}
    file = io.BytesIO()
    np.savez(file, **arrays)
    with pytest.raises(AlignscopeError, match=rf"^moments: .*{match}.* \[E103\]$"):
        Moments.from_bytes(file.getvalue())
