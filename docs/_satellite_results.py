"""The experiments on satellite data as kept in docs/results: tables and figures, made from small JSON at every build.

python docs/_satellite_results.py OUT     # keeps what the runs below OUT found as docs/results/satellite-*.json

OUT holds pairs/NAME/results.json (studies), audits/NAME/audit.json, bench/NAME/results.json, and the studies of patches
same/, different/, long/ and pretraining/.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import numpy as np
import vl_convert
from scipy import stats

from _study_results import KEPT, _interval, load, rounded
from _tables import table
from alignscope._lib.interval import Interval
from alignscope.bench.results import BenchResults
from alignscope.study.contest import Contest
from alignscope.study.page.page import study_charts
from alignscope.study.results import Capacity, ClassRow, ForecastRow, SeedInterval, SigmaRow, StudyResults
from alignscope.study.rules import RULES, compare

PAIRS = KEPT / "satellite-pairs.json"
STUDIES = ("same", "different", "long", "pretraining")
CHIPS = "chips_"
TITLES = {
    "biomassters_s2_s1": "BioMassters, pixels: S2, S1",
    "chips_biomassters": "BioMassters, chips: S2, S1",
    "chips_flair2": "FLAIR-2, chips: aerial, elevation",
    "chips_terramesh": "TerraMesh, chips: S2, S1 + elevation",
    "flair2_aerial_elevation": "FLAIR-2, pixels: aerial, elevation",
    "fuel_s2_era5": "fuel moisture: S2, weather",
    "hydraulics_thermal_hydraulic": "hydraulics: thermal, hydraulic",
    "mfeat_fourier_karhunen": "digits: Fourier, Karhunen-Loeve",
    "statlog_centre_neighbours": "Landsat: centre, neighbours (control)",
    "statlog_visible_infrared": "Landsat: visible, infrared",
    "terramesh_s2_s1": "TerraMesh, pixels: S2, S1",
}
HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5f00", "#56b4e9")  # told apart by the colour-blind
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
ON_TWO = ("chips_flair2", "hydraulics_thermal_hydraulic")  # the forecast was chosen after looking at these


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of the study and of the audit of one pair."""

    name: str
    rows: int
    train: int
    components: tuple[int, ...]
    sigma: tuple[SigmaRow, ...]
    targets: tuple[ForecastRow, ...]
    capacity: tuple[Capacity, ...]
    audit: dict[str, Any]
    bench: tuple[dict[str, Any], ...] = ()


# ------------------------------------------------------------------------------------------------------------ keeping


def keep(out: Path) -> None:
    """Write docs/results/satellite-*.json from the runs below a folder."""
    pairs = [_pair(path.parent, out) for path in sorted((out / "pairs").glob("*/results.json"))]
    _write(PAIRS, pairs)
    for name in STUDIES:
        results = msgspec.json.decode((out / name / "results.json").read_bytes(), type=StudyResults)
        _write(KEPT / f"satellite-{name}.json", _lean(results))


def _write(path: Path, content: Any) -> None:
    encoded = msgspec.json.encode(rounded(msgspec.to_builtins(content)), order="deterministic")
    path.write_bytes(encoded + b"\n")


def _pair(folder: Path, out: Path) -> Pair:
    results = msgspec.json.decode((folder / "results.json").read_bytes(), type=StudyResults)
    data = json.loads(next((folder / "data").glob("*/data.json")).read_bytes())
    audit = json.loads((out / "audits" / folder.name / "audit.json").read_bytes())
    bench = out / "bench" / folder.name / "results.json"
    return Pair(
        name=folder.name,
        rows=audit["n"],
        train=data["train"],
        components=results.spec.sweep.components,
        sigma=results.sigma_rows,
        targets=results.forecast,
        capacity=results.capacity,
        audit={
            "sigma": {who: audit["sigma"]["held_out"][who] for who in ("11", "22", "b1", "b2")},
            "limits": {side: audit["directions"][side]["held_out_limits"] for side in "12"},
            "regime": audit["regime"]["verdict"],
        },
        bench=tuple(_board(bench)) if bench.exists() else (),
    )


def _board(path: Path) -> Iterator[dict[str, Any]]:
    results = msgspec.json.decode(path.read_bytes(), type=BenchResults)
    for method in results.methods:
        for column in results.columns:
            if (found := method.columns.get(column.key)) is not None:
                figure = SeedInterval(found.value, found.low, found.high, len(found.seeds))
                yield {"method": method.title, "column": column.title, "figure": msgspec.to_builtins(figure)}


def _lean(results: StudyResults) -> StudyResults:
    """Return the results without curves, targets not trained on, and all marks but the last and the first."""

    def marks(record: Any) -> Any:
        lean = [
            msgspec.structs.replace(
                m,
                **{p: msgspec.structs.replace(getattr(m, p), targets=_asked(getattr(m, p))) for p in ("train", "test")},
            )
            for m in dict.fromkeys((record.marks[0], record.marks[-1]))
        ]
        return msgspec.structs.replace(record, curve=(), marks=tuple(lean))

    return msgspec.structs.replace(
        results,
        cells=tuple(map(marks, results.cells)),
        baselines=tuple(map(marks, results.baselines)),
        paths=(),
        forecast_map=(),
        retention=tuple(r for r in results.retention if r.trained_on),
    )


def _asked(scores: Any) -> tuple[Any, ...]:
    return tuple(t for t in scores.targets if t.trained_on)


# ------------------------------------------------------------------------------------------------------------- tables


def kept_pairs() -> list[Pair]:
    """Return what was kept of every pair."""
    return msgspec.json.decode(PAIRS.read_bytes(), type=list[Pair])


def overview() -> str:
    """Which modality predicts what on each pair, by linear maps of simple features; what alignment costs at most."""
    rows = []
    for pair in kept_pairs():
        limits, sigma = pair.audit["limits"], pair.audit["sigma"]
        lost = [limits[s]["prediction_first"] - limits[s]["align_first"] for s in "12"]
        rows.append(
            [
                TITLES[pair.name],
                f"{pair.rows:,}",
                *(_estimate(sigma[who]) for who in ("11", "22")),
                f"{_number(sigma['b1']['value'])}, {_number(sigma['b2']['value'])}",
                *(_number(loss) for loss in lost),
                pair.audit["regime"],
            ]
        )
    head = [
        "pair",
        "rows",
        "σ of 1 on its target",
        "σ of 2 on its target",
        "σ of both on either",
        "maximum loss in 1",
        "maximum loss in 2",
        "regime",
    ]
    return table(head, rows)


def unaligned() -> str:
    """What the audit says of the features of trained encoders that were never aligned, at the latent size of each."""
    rows = [
        [
            TITLES[pair.name],
            str(c.modality),
            str(c.components),
            _points(c.maximum_loss),
            _interval(c.lossless_at, digits=1),
        ]
        for pair in kept_pairs()
        for c in pair.capacity
    ]
    return table(["pair", "modality", "K", "maximum loss, share (held out)", "lossless at K (in sample)"], rows)


def losses(lambdas: Sequence[float] = (1.0, 10.0)) -> str:
    """What trained encoders lose of all their targets, by pair, modality and latent size."""
    rows = []
    for pair in kept_pairs():
        for k in sorted(pair.components):
            for modality in (1, 2):
                found = {r.lambda_: r for r in pair.sigma if (r.components, r.modality) == (k, modality)}
                if found:
                    before = next(iter(found.values())).before
                    cells = [
                        f"{_points(found[lam].measured)}; {_points(found[lam].forecast, False)}" for lam in lambdas
                    ]
                    rows.append([TITLES[pair.name], str(modality), str(k), _interval(before), *cells])
    return table(["pair", "modality", "K", "σ at λ = 0", *(f"lost at λ = {lam:g}; forecast" for lam in lambdas)], rows)


def agreement() -> str:
    """How near the forecast of what trained encoders lose comes, next to rules of one line, pairs resampled."""
    pairs = kept_pairs()
    some = {"all eleven": pairs, "without the two that were looked at": [p for p in pairs if p.name not in ON_TWO]}
    rows = []
    for text, chosen in some.items():
        found = _contest(chosen)
        gains = [_gain(found.rank), _gain(found.error)]
        for score in (found.forecast, *found.rules):
            figures = [_number(score.rank), _number(score.error, 3), f"{score.missed} of {found.losses}"]
            last = gains if score is found.forecast else ["", ""]
            rows.append([text, score.name, *figures, str(score.false_alarms), *last])
    scores = ["rank correlation", "mean error", "losses above 0.05 missed", "called falsely"]
    return table(["pairs", "prediction", *scores, "rank above the best rule", "error below the best rule"], rows)


def _contest(pairs: Sequence[Pair]) -> Contest:
    """Compare the forecast of σ lost with the rules, as what is left of 1 when the loss is taken away."""
    told: list[list[float]] = []
    found: list[float] = []
    members: list[list[int]] = []
    for pair in pairs:
        one, two = ({r.target for r in pair.targets if r.modality == m} for m in (1, 2))
        members.append(list(range(len(told), len(told) + len(pair.sigma))))
        for r in pair.sigma:
            rules = [r.before.value * (1 - rule(r.lambda_, r.components, one != two)) for rule in RULES.values()]
            told.append([1 - lost for lost in (r.forecast.value, *rules)])
            found.append(1 - r.measured.value)
    return compare(told, found, members, "pairs")


def _gain(found: Interval) -> str:
    if found.low is None or found.high is None:
        return f"{_number(found.value, 3)} (nine pairs: no interval)"
    return f"{_number(found.value, 3)} ({_number(found.low, 3)} to {_number(found.high, 3)})"


def ranked() -> str:
    """How well other figures rank what trained encoders lose, with intervals from resampled pairs."""
    pairs = kept_pairs()
    audited = "maximum loss of σ, by an audit of simple features before any training, and σ lost at λ = 10"
    rows = [
        _ranked("every target by itself, R² lost", pairs, _single),
        _ranked("every target by itself, retention", pairs, _retention),
        _ranked(audited, pairs, _audited),
    ]
    return table(["what is ranked", "points", "rank correlation", "mean error", "error of “nothing is lost”"], rows)


def _single(pair: Pair) -> list[tuple[float, float]]:
    found = [(r.forecast_loss, r.measured_loss) for r in pair.targets]
    return [(told.value, lost.value) for told, lost in found if told and lost]


def _audited(pair: Pair) -> list[tuple[float, float]]:
    """Return a point a modality, at the smaller latent size."""
    limits = pair.audit["limits"]
    risk = {m: limits[str(m)]["prediction_first"] - limits[str(m)]["align_first"] for m in (1, 2)}
    rows = [r for r in pair.sigma if (r.components, r.lambda_) == (min(pair.components), 10.0)]
    return [(risk[r.modality], r.measured.value) for r in rows]


def _retention(pair: Pair) -> list[tuple[float, float]]:
    return [(r.forecast.value, r.measured.value) for r in pair.targets]


def _ranked(text: str, pairs: Sequence[Pair], points: Callable[[Pair], list[tuple[float, float]]]) -> list[str]:
    each = [np.array(points(p)) for p in pairs]
    each = [e for e in each if len(e)]
    every = np.vstack(each)
    rng = np.random.default_rng(0)
    drawn = [_spearman(np.vstack([each[i] for i in rng.integers(0, len(each), len(each))])) for _ in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    nothing = 1.0 if text.endswith("retention") else 0.0
    return [
        text,
        str(len(every)),
        f"{_number(_spearman(every))} ({_number(low)} to {_number(high)})",
        _number(float(np.abs(every[:, 0] - every[:, 1]).mean()), 3),
        _number(float(np.abs(every[:, 1] - nothing).mean()), 3),
    ]


def _spearman(points: np.ndarray) -> float:
    return float(stats.spearmanr(points[:, 0], points[:, 1]).statistic)


def hardest(most: int = 12, lam: float = 3.0) -> str:
    """Which single targets pay most at one alignment weight, of all pairs."""
    rows: list[tuple[float, list[str]]] = []
    for pair in kept_pairs():
        for r in pair.targets:
            if r.lambda_ == lam and r.measured_loss and r.forecast_loss:
                told = [str(r.modality), str(r.components), _points(r.measured_loss), _points(r.forecast_loss)]
                rows.append((-r.measured_loss.value, [TITLES[pair.name], r.target, *told]))
    chosen = [row for _, row in sorted(rows, key=lambda r: r[0])[:most]]
    return table(["pair", "target", "modality", "K", "R² lost", "forecast"], chosen)


def scores(name: str = "same") -> str:
    """Accuracy and F1 of the trained heads by alignment weight, in sample and held out, with the baselines."""
    results = load(f"satellite-{name}")
    rows = []
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for record in (*results.baselines, *results.cells):
        c = record.cell
        way = (
            c.training.replace("_", " ")
            if c.baseline
            else "alone"
            if c.lambda_ == 0
            else f"{c.gauge}, λ = {c.lambda_:g}"
        )
        if record.status == "finished":
            groups.setdefault((c.components, way), []).append(record.last)
    for (k, way), marks in sorted(groups.items(), key=lambda g: g[0][0]):
        for modality, target in ((m, t) for m in (1, 2) for t in results.trained_on[m - 1]):
            train, test = (
                [next(t for t in getattr(m, p).targets if (t.modality, t.target) == (modality, target)) for m in marks]
                for p in ("train", "test")
            )
            rows.append(
                [
                    str(k),
                    way,
                    f"{target} from {results.spec.data.modalities[modality - 1]}",
                    _mean(s.accuracy for s in train),
                    *(_mean(getattr(s, f) for s in test) for f in ("accuracy", "macro_f1", "weighted_f1")),
                ]
            )
    head = ["K", "alignment", "target", "accuracy, in sample", "accuracy", "macro F1", "weighted F1"]
    return table(head, rows)


def retained(name: str) -> str:
    """What each modality retains of what it was trained on, at the end of training (probe R^2, held out)."""
    results = load(f"satellite-{name}")
    rows = [
        [
            str(r.components),
            r.gauge,
            f"{r.lambda_:g}",
            f"{r.target} from {results.spec.data.modalities[r.modality - 1]}",
            _interval(r.r2),
            _interval(r.retention),
            _interval(r.alignment_r2),
        ]
        for r in results.retention
        if r.epoch == r.epochs
    ]
    return table(["K", "scale", "λ", "target", "R²", "retained", "alignment R²"], rows)


def classes(name: str = "different", lam: float = 10.0) -> str:
    """What is retained of single classes at the smallest latent size, forecast and measured."""
    results = load(f"satellite-{name}")
    small = min(results.spec.sweep.components)
    chosen = [r for r in results.class_rows if (r.components, r.lambda_) == (small, lam) and r.gauge != "raw"]
    rows = [
        [
            results.spec.data.modalities[r.modality - 1],
            r.label,
            f"{100 * r.share:.0f}%",
            _interval(r.before),
            _interval(r.retention),
            _interval(r.forecast),
        ]
        for r in sorted(chosen, key=_lost)
        if r.retention is not None
    ]
    return table(["modality", "class", "of the patches", "R² at λ = 0", "retained", "forecast"], rows)


def _lost(row: ClassRow) -> tuple[int, float]:
    return row.modality, row.retention.value if row.retention else 2.0


def class_agreement() -> str:
    """How well the forecast ranks what is retained of single classes, by study."""
    rows = []
    for name in ("same", "different"):
        found = [r for r in load(f"satellite-{name}").class_rows if r.retention and r.forecast]
        lost = np.array([(r.before.value * (1 - r.forecast.value), r.before.value - r.r2.value) for r in found])
        kept = np.array([(r.forecast.value, r.retention.value) for r in found])
        rows.append(
            [
                {"same": "both trained on the genera, together", "different": "age and genera, one after the other"}[
                    name
                ],
                str(len(found)),
                _number(_spearman(lost)),
                _number(float(np.abs(lost[:, 0] - lost[:, 1]).mean()), 3),
                _number(float(np.abs(lost[:, 1]).mean()), 3),
                _number(_spearman(kept)),
            ]
        )
    head = [
        "study",
        "points",
        "rank correlation of R² lost",
        "mean error",
        "error of “nothing is lost”",
        "of retention",
    ]
    return table(head, rows)


def along(name: str = "long") -> str:
    """What is predicted of each modality's target along training, by alignment weight."""
    results = load(f"satellite-{name}")
    epochs = sorted({r.epoch for r in results.retention})
    found = {(r.lambda_, r.modality, r.target, r.epoch): r for r in results.retention}
    rows = [
        [
            f"{lam:g}",
            f"{target} from {results.spec.data.modalities[m - 1]}",
            *(_interval(found[lam, m, target, e].r2) for e in epochs),
        ]
        for lam in sorted(results.spec.sweep.lambdas)
        for m in (1, 2)
        for target in results.trained_on[m - 1]
    ]
    return table(["λ", "target", *(f"epoch {e}" for e in epochs)], rows)


def pretraining() -> str:
    """After pre-training, by a linear probe of the frozen encoder; and after fine-tuning."""
    results = load("satellite-pretraining")
    rows = []
    for lam in sorted(results.spec.sweep.lambdas):
        marks = [r.marks for r in results.cells if r.cell.lambda_ == lam and r.status == "finished"]
        for modality, target in ((m, t) for m in (1, 2) for t in results.trained_on[m - 1]):
            cells = [f"{lam:g}", f"{target} from {results.spec.data.modalities[modality - 1]}"]
            for at in (0, -1):
                told = [
                    next(t for t in m[at].test.targets if (t.modality, t.target) == (modality, target)) for m in marks
                ]
                cells += [_mean(t.probe_r2 for t in told), _mean(t.probe_accuracy for t in told)]
            cells.append(_mean(m[0].test.alignment_r2_12 for m in marks))
            rows.append(cells)
    head = [
        "λ",
        "target",
        "R², frozen",
        "accuracy, frozen",
        "R², fine-tuned",
        "accuracy, fine-tuned",
        "alignment R², frozen",
    ]
    return table(head, rows)


def bench() -> str:
    """Which method retains what on each pair of images, from both representations and from each modality's own."""
    rows = []
    for pair in kept_pairs():
        methods: dict[str, dict[str, str]] = {}
        for b in pair.bench:
            methods.setdefault(b["method"], {})[b["column"]] = _interval(SeedInterval(**b["figure"]))
        for method, told in methods.items():
            both, own = (
                [f"{k.split()[0]}: {v}" for k, v in told.items() if ("both" in k) is side] for side in (True, False)
            )
            rows.append([TITLES[pair.name], method, "; ".join(both), "; ".join(own)])
    return table(["pair", "method", "from both representations", "from a modality's own"], rows)


# ------------------------------------------------------------------------------------------------------------ figures


def figures(folder: Path) -> None:
    """Write the figures of the page as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "forecast.svg").write_text(vl_convert.vegalite_to_svg(_scatter()), encoding="utf-8")
    for name, wanted in (("same", ("scores", "classes")), ("different", ("scores", "classes", "retention"))):
        for path, content in study_charts(load(f"satellite-{name}")).items():
            if path.endswith(".svg") and Path(path).stem in wanted:
                (folder / f"{name}_{Path(path).name}").write_bytes(content)


def _scatter() -> dict[str, Any]:
    points = [
        {
            "pair": TITLES[pair.name],
            "forecast": r.forecast.value,
            "measured": r.measured.value,
            "low": r.measured.low,
            "high": r.measured.high,
        }
        for pair in kept_pairs()
        for r in pair.sigma
    ]
    ends = [-0.25, 1.0]  # what lies beyond is drawn at the end
    scale = {"domain": ends, "clamp": True, "nice": False}
    x = {"field": "forecast", "type": "quantitative", "title": "σ that the forecast says is lost", "scale": scale}
    y = {
        "field": "measured",
        "type": "quantitative",
        "title": "σ that trained encoders lost (held out)",
        "scale": scale,
    }
    names = list(dict.fromkeys(p["pair"] for p in points))
    colour = {
        "field": "pair",
        "type": "nominal",
        "scale": {"domain": names, "range": [HUES[i % len(HUES)] for i in range(len(names))]},
        "legend": {"labelLimit": 0, "title": None, "symbolOpacity": 1, "orient": "bottom", "columns": 2},
    }
    marks = {"domain": names, "range": [SHAPES[i // 2 % len(SHAPES)] for i in range(len(names))]}
    shape = {
        "field": "pair",
        "type": "nominal",
        "scale": marks,
        "legend": {"title": None, "orient": "bottom", "columns": 2},
    }
    return {
        "width": 560,
        "height": 420,
        "padding": 12,
        "background": "white",
        "data": {"values": points},
        "layer": [
            {
                "data": {"values": [{"v": v} for v in ends]},
                "mark": {"type": "line", "strokeDash": [4, 4], "color": "#888"},
                "encoding": {"x": {**x, "field": "v"}, "y": {**y, "field": "v"}},
            },
            {
                "mark": {"type": "rule", "opacity": 0.35},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 55, "opacity": 0.9},
                "encoding": {"x": x, "y": y, "color": colour, "shape": shape},
            },
        ],
    }


# ---------------------------------------------------------------------------------------------------------- wording


def _number(value: float, digits: int = 2) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _estimate(found: dict[str, float]) -> str:
    return f"{_number(found['value'])} ({_number(found['low'])} to {_number(found['high'])})"


def _points(value: SeedInterval, spread: bool = True) -> str:
    text = _interval(value if spread else SeedInterval(value.value, None, None, value.seeds))
    return re.sub(r"−(0\.0+)(?!\d)", r"\1", text)  # no negative zero


def _mean(values: Iterable[float | None]) -> str:
    known = [v for v in values if v is not None]
    if not known:
        return "–"
    if len(known) < 2:
        return _number(fmean(known))
    half = float(stats.t.ppf(0.975, len(known) - 1) * np.std(known, ddof=1) / np.sqrt(len(known)))
    return f"{_number(fmean(known))} ± {_number(half)}"


PAGES: dict[str, Callable[[], str]] = {
    "satellite_overview": overview,
    "satellite_unaligned": unaligned,
    "satellite_losses": losses,
    "satellite_agreement": agreement,
    "satellite_ranked": ranked,
    "satellite_hardest": hardest,
    "satellite_scores": scores,
    "satellite_same": partial(retained, "same"),
    "satellite_different": partial(retained, "different"),
    "satellite_classes": classes,
    "satellite_class_agreement": class_agreement,
    "satellite_long": along,
    "satellite_pretraining": pretraining,
    "satellite_bench": bench,
}
"""The parts of docs/satellite-results.md."""


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
