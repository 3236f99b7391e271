"""`AlignedReducedRank`: the exact solution of the alignment problem with the interface of scikit-learn.

scikit-learn itself is never imported here, except by the two methods that only scikit-learn calls or that
matter only where it is loaded.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from functools import cache
from importlib import import_module
from typing import Any, get_args

import numpy as np

from alignscope._lib.checks import one_of, real, whole
from alignscope._lib.names import keywords_named
from alignscope._lib.types import Array, Matrix, Vector
from alignscope.errors import AlignscopeError, escaped
from alignscope.linear.path import Solver
from alignscope.linear.problem import Gauge, Problem, block_scale
from alignscope.moments.moments import Moments
from alignscope.pair.readers.rows import as_numpy

_CONTAINERS = ("default", "pandas", "polars")
"""What embeddings are returned in, by the names of scikit-learn."""


class AlignedReducedRank:
    """Predict from an embedding of K components that is aligned to what another modality predicts.

        min  ||X V W - Y||^2 + lam ||X V Q - T||^2 + N ridge (||V W||^2 + lam ||V Q||^2)

    over V (D1 x K), W and Q, all centred, Y scaled as a block to ||Y||^2 = N C; T is what reduced-rank regression of
    `other_y` on `other` predicts at the same K. Solved exactly by one SVD (THEORY 3; arXiv 2509.17943, theorem 1).
    Without `other` there is nothing to align to: this is reduced-rank regression and `lam` has no effect;
    with components of at least the rank of the target it is then ordinary least squares (or ridge regression).

    Parameters
    ----------
    components : K >= 1, the latent size.
    lam : lambda in [0, inf], the alignment weight. 0 is its limit from above: predict first, align with what is left.
        Infinity is the opposite limit.
    gauge : ``fitted`` (T as predicted), ``whitened`` (T^T T = N I), or another of `alignscope.linear.problem.Gauge`.
    ridge : >= 0.

    Attributes
    ----------
    encoder_ : (D1 x K_eff) V. Embeddings have unit variance and are uncorrelated on the training rows (without ridge).
    head_ : (K_eff x C) W, in the units of y.
    mean_, target_mean_ : (D1,), (C,) means of the training rows.
    n_components_ : K_eff, the number of components in use.
    sigma_z_ : the share of ||Y||^2 that is predicted, in sample.
    alignment_r2_ : the share of ||T||^2 that the embedding predicts, in sample; NaN without `other`.
    n_features_in_, feature_names_in_ : the number of input columns, and their names where they have any.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> shared, own = rng.normal(size=(2, 200, 1))
    >>> X, other = np.hstack([shared, own]), shared + rng.normal(size=(200, 1))
    >>> free = AlignedReducedRank(1).fit(X, X @ [[1.0], [2.0]], other, shared)
    >>> aligned = AlignedReducedRank(1, lam=float("inf")).fit(X, X @ [[1.0], [2.0]], other, shared)
    >>> free.sigma_z_ > 0.99, aligned.sigma_z_ < 0.5, aligned.alignment_r2_ > free.alignment_r2_
    (True, True, True)
    """

    @keywords_named
    def __init__(
        self,
        components: int = 1,
        *,
        lam: float = 0.0,
        gauge: Gauge = "fitted",
        ridge: float = 0.0,
    ) -> None:
        self.components = components
        self.lam = lam
        self.gauge = gauge
        self.ridge = ridge

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name. `deep` has no effect."""
        return {name: getattr(self, name) for name in _parameters(type(self))}

    def set_params(self, **params: Any) -> AlignedReducedRank:
        """Set parameters by name. Raises E305 for a name that is not a parameter."""
        known = _parameters(type(self))
        for name, value in params.items():
            if name not in known:
                raise AlignscopeError(
                    "E305", type(self).__name__, f"no parameter '{name}'", f"Use one of {', '.join(known)}."
                )
            setattr(self, name, value)
        return self

    def fit(self, X: Array, y: Array, other: Array | None = None, other_y: Array | None = None) -> AlignedReducedRank:
        """Solve the problem on N rows.

        Parameters
        ----------
        X, y : (N x D1) what the encoder reads; (N,) or (N x C) what it must predict.
        other, other_y : (N x D2) the frozen modality; (N,) or (N x C2) the target that shapes its representation,
            by default y.

        Raises
        ------
        AlignscopeError : E106, E201 to E205 for data that cannot be used, E301, E304 and E305 for parameters.
        """
        self._check_parameters()
        names = _column_names(X)
        if y is None:
            raise AlignscopeError(
                "E201",
                "y",
                f"this {type(self).__name__} estimator requires y to be passed, but the target y is None",
                "Give one target value or row of targets per sample.",
            )
        blocks = {"x1": _matrix(X, "X", fewest=2), "y1": _target(y, "y")}
        if other is not None:
            blocks |= {
                "x2": _matrix(other, "other", fewest=2),
                "y2": _target(other_y, "other_y") if other_y is not None else blocks["y1"],
            }
        elif other_y is not None:
            raise AlignscopeError("E201", "other_y", "given without other", "Give both, or neither.")
        _require_equal_rows(blocks)
        self._solve(Moments.of(blocks))
        self.n_features_in_ = blocks["x1"].shape[1]
        self._single = as_numpy(y).ndim == 1
        vars(self).pop("feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = names
        return self

    def _check_parameters(self) -> None:
        whole("components", self.components, 1, code="E301")
        if self.lam != np.inf:
            real("lam", self.lam)
        real("ridge", self.ridge)
        one_of("gauge", self.gauge, get_args(Gauge))

    def _problem(self, moments: Moments) -> Problem:
        if "x2" in moments.blocks:
            return Problem.from_moments(moments, self.components, gauge=self.gauge, ridge=self.ridge)
        basis = moments.basis("x1", self.ridge)
        scale = block_scale(moments, "y1")
        return Problem(
            ry=scale * basis.coordinates("y1"),
            rt_full=np.zeros((basis.rank, 0)),
            target_energies=np.zeros(0),
            y_energies=scale**2 * moments.energy("y1"),
            components=self.components,
            gauge=self.gauge,
            basis=basis,
        )

    def _solve(self, moments: Moments) -> None:
        problem = self._problem(moments)
        solver = Solver(problem)
        aligned = problem.target_energy > 0
        solution = solver.at(self.lam if aligned else 0.0)
        assert problem.basis is not None
        encoder = problem.basis.coefficients(solver.frame @ solution.encoder)
        head = solution.encoder.T @ solver.r_y
        # Signs are free; fixed, so that equal data give equal embeddings on every machine.
        largest = np.abs(encoder).argmax(axis=0)
        signs = np.where(encoder[largest, np.arange(encoder.shape[1])] < 0, -1.0, 1.0)
        unit = np.sqrt(moments.weight)
        scale = block_scale(moments, "y1")
        self.encoder_: Matrix = encoder * signs * unit
        self.head_: Matrix = head * signs[:, None] / (unit * scale if scale else 1.0)
        self.mean_: Vector = moments.mean[moments.blocks["x1"]]
        self.target_mean_: Vector = moments.mean[moments.blocks["y1"]]
        self.n_components_ = encoder.shape[1]
        self.sigma_z_ = solution.sigma_z
        self.alignment_r2_ = solution.alignment_r2 if aligned else float("nan")

    def transform(self, X: Array) -> Any:
        """Return the embeddings (N x K_eff) of rows (N x D1), as `set_output` or scikit-learn's settings say."""
        return self._contained(self._embedded(X), X)

    def _embedded(self, X: Array) -> Matrix:
        embedding: Matrix = (self._checked(X) - self.mean_) @ self.encoder_
        return embedding

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the embedding's columns: alignedreducedrank0, ...; `input_features` may be those of X."""
        if not hasattr(self, "encoder_"):
            raise _not_fitted("E501", type(self).__name__, "this instance is not fitted yet", "Call fit before.")
        if input_features is not None and len(input_features) != self.n_features_in_:
            found = f"input_features should have length equal to number of features ({self.n_features_in_})"
            raise AlignscopeError("E210", "input_features", found, "Give the names of X, or none.")
        stem = type(self).__name__.lower()
        return np.array([f"{stem}{k}" for k in range(self.n_components_)], dtype=object)

    def set_output(self, *, transform: str | None = None) -> AlignedReducedRank:
        """Say what `transform` and `fit_transform` return: arrays (``default``) or frames of ``pandas`` or ``polars``.

        None changes nothing. Raises E305 for another name.
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": one_of("transform", transform, _CONTAINERS)}
        return self

    def _contained(self, embedding: Matrix, X: Array) -> Any:
        """Return embeddings in the container that was set, with the index of the rows where both are of pandas."""
        loaded = sys.modules.get("sklearn")
        general = loaded.get_config()["transform_output"] if loaded is not None else "default"
        kind = vars(self).get("_sklearn_output_config", {}).get("transform", general)
        if kind == "default":
            return embedding
        try:
            library = import_module(kind)
        except ImportError as error:
            raise AlignscopeError("E107", kind, f"{error}", f"pip install {kind}, or set another output.") from None
        names = list(self.get_feature_names_out())
        if kind == "polars":
            return library.DataFrame(embedding, schema=names, orient="row")
        index = X.index if isinstance(X, library.DataFrame) else None
        return library.DataFrame(embedding, columns=names, index=index)

    def fit_transform(self, X: Array, y: Array, other: Array | None = None, other_y: Array | None = None) -> Any:
        """Fit, then return the embeddings of the training rows."""
        return self.fit(X, y, other, other_y).transform(X)

    def predict(self, X: Array) -> np.ndarray:
        """Return predictions (N x C), or (N,) when the target had one axis, from rows (N x D1)."""
        predicted = self._embedded(X) @ self.head_ + self.target_mean_
        return predicted[:, 0] if self._single else predicted

    def score(self, X: Array, y: Array) -> float:
        """Return sigma on these rows: 1 - ||Y - Yhat||^2 / ||Y - mean||^2 over all targets together, at most 1."""
        target = _target(y, "y")
        error = target - self.predict(X).reshape(target.shape)
        energy = np.square(target - target.mean(axis=0)).sum()
        return float(1 - np.square(error).sum() / energy) if energy > 0 else 0.0

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn wants to know: a regressor that transforms, and needs a target."""
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True, multi_output=True),
            transformer_tags=TransformerTags(),
            regressor_tags=RegressorTags(),
            input_tags=InputTags(),
        )

    def __repr__(self) -> str:
        defaults = _parameters(type(self))
        changed = {k: v for k, v in self.get_params().items() if v != defaults[k]}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"

    def _checked(self, X: Array) -> Matrix:
        name = type(self).__name__
        if not hasattr(self, "encoder_"):
            raise _not_fitted("E501", name, "this instance is not fitted yet", "Call fit before transform or predict.")
        self._check_names(X)
        x = _matrix(X, "X")
        if x.shape[1] != self.n_features_in_:
            raise AlignscopeError(
                "E501",
                "X",
                f"X has {x.shape[1]} features, but {name} is expecting {self.n_features_in_} features as input",
                "Give the columns that it was fitted on.",
            )
        return x

    def _check_names(self, X: Array) -> None:
        known, given = getattr(self, "feature_names_in_", None), _column_names(X)
        name = type(self).__name__
        if known is None and given is None:
            return
        if known is None or given is None:
            which = "X has feature names" if known is None else "X does not have valid feature names"
            how = "without" if known is None else "with"
            warnings.warn(f"{which}, but {name} was fitted {how} feature names", UserWarning, stacklevel=5)
        elif list(known) != list(given):
            raise _ColumnNamesError(
                "E210", "X", _name_difference(list(known), list(given)), "Give the same columns in the same order."
            )


def _parameters(estimator: type) -> dict[str, Any]:
    """Return the parameters of an estimator with their defaults."""
    signature = inspect.signature(estimator.__init__)  # type: ignore[misc]
    return {k: p.default for k, p in signature.parameters.items() if k != "self"}


@cache
def _not_fitted_under(base: type[Exception]) -> type[AlignscopeError]:
    pickled = {"__reduce__": lambda e: (_not_fitted, (e.code, e.where, e.found, e.way_out))}
    return type("NotFittedError", (AlignscopeError, base), pickled)


def _not_fitted(*parts: str) -> AlignscopeError:
    """Return the error of an estimator that is not fitted; also scikit-learn's own, where that is loaded."""
    module = sys.modules.get("sklearn.exceptions")
    return _not_fitted_under(AttributeError if module is None else module.NotFittedError)(*parts)


class _ColumnNamesError(AlignscopeError):
    """Other column names than those of `fit`, one a line, as scikit-learn has them and its checks want them."""

    def __init__(self, code: str, where: str, found: str, way_out: str) -> None:
        super().__init__(code, where, found, way_out)
        self.found = found
        self.args = (f"{where}: {found}. {way_out} [{code}]",)


class _NotNumbersError(AlignscopeError, TypeError):
    """Objects where numbers belong; a TypeError too, as in numpy."""


def _column_names(X: Array) -> np.ndarray | None:
    """Return the column names of a table, if all of them are text."""
    columns = getattr(X, "columns", None)
    if columns is None or callable(columns):
        return None
    names = list(columns)
    return np.asarray(names, dtype=object) if names and all(isinstance(n, str) for n in names) else None


def _name_difference(known: list[str], given: list[str]) -> str:
    """Say how column names differ, in the words of scikit-learn."""
    lines = ["The feature names should match those that were passed during fit."]
    known, given = ([escaped(name) for name in names] for names in (known, given))
    unseen, missing = sorted(set(given) - set(known)), sorted(set(known) - set(given))
    if unseen:
        lines += ["Feature names unseen at fit time:", *(f"- {name}" for name in unseen[:5])]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:", *(f"- {name}" for name in missing[:5])]
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"


def _numbers(values: Array, name: str) -> np.ndarray:
    """Return real, finite numbers in float64."""
    if hasattr(values, "toarray"):
        raise AlignscopeError(
            "E106", name, "a sparse matrix, which is not supported", "Give a dense array: matrix.toarray()."
        )
    array = as_numpy(values)
    if array.dtype.kind == "c":
        raise AlignscopeError("E106", name, "Complex data not supported", "Give real and imaginary parts as columns.")
    try:
        array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        kind = _NotNumbersError if isinstance(error, TypeError) else AlignscopeError
        raise kind("E106", name, str(error), "Give numbers only.") from error
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))[0]
        raise AlignscopeError(
            "E203", name, f"it contains NaN or infinity, first at {tuple(bad.tolist())}", "Remove or fill them."
        )
    return array


def _matrix(values: Array, name: str, fewest: int = 1) -> Matrix:
    """Return an (N x D) matrix of at least `fewest` rows and one column."""
    x = _numbers(values, name)
    if x.ndim != 2:
        raise AlignscopeError(
            "E201",
            name,
            f"expected 2D array, got {x.ndim}D array instead",
            "Reshape your data: array.reshape(-1, 1) for one feature, array.reshape(1, -1) for one sample.",
        )
    n, d = x.shape
    if d == 0:
        raise AlignscopeError(
            "E201", name, f"0 feature(s) (shape={x.shape}) while a minimum of 1 is required", "Give columns."
        )
    if n < fewest:
        samples = f"{n} sample{'' if n == 1 else 's'}"
        raise AlignscopeError(
            "E205", name, f"{samples} (shape={x.shape}) while a minimum of {fewest} is required", "Give rows."
        )
    return x


def _target(values: Array, name: str) -> Matrix:
    """Return targets as an (N x C) matrix."""
    y = _numbers(values, name)
    return _matrix(y[:, None] if y.ndim == 1 else y, name)


def _require_equal_rows(blocks: dict[str, Matrix]) -> None:
    names = {"x1": "X", "y1": "y", "x2": "other", "y2": "other_y"}
    rows = {names[k]: len(v) for k, v in blocks.items()}
    if len(set(rows.values())) > 1:
        listed = ", ".join(f"{k} has {n}" for k, n in rows.items())
        raise AlignscopeError(
            "E202", "the inputs", f"inconsistent numbers of samples: {listed}", "Give one row per sample in each."
        )
