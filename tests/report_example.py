"""A made-up audit in the page's schema: optical and radar on seven land-cover classes. And its odd relatives.

The figures are invented but hang together: the whole is the mean over the targets, curves are monotone, and
losses add up. No figure here is computed by the library, so the page is tested without it.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from alignscope.auditing import results
from alignscope.auditing.claims import too_few_rows as few_rows
from alignscope.auditing.decision import decide
from alignscope.auditing.verdict import recommended_action, verdict_sentence

Audit = dict[str, Any]

LAMBDAS = [0.0, *(10 ** (-3 + 6 * i / 99) for i in range(100))]
CLASSES = {  # name: share explained prediction first, and how much of it alignment can take
    "broad-leaved forest": (0.71, 0.06),
    "coniferous forest": (0.78, 0.31),
    "cropland": (0.66, 0.27),
    "grassland": (0.52, 0.38),
    "built-up": (0.69, 0.02),
    "water": (0.83, 0.00),
    "wetland": (0.34, 0.23),
}
STRUCTURE = {"canopy height": (0.58, 0.09), "above-ground biomass": (0.47, 0.15), "surface roughness": (0.63, -0.01)}
BANDS = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
OPTICAL = [f"{band} {what}" for what in ("mean", "deviation") for band in BANDS]
ESTIMAND = "R² of a predictor fitted on rows like these, on new rows of new groups"
RADAR = [f"{p} {w}" for p in ("VV", "VH", "VV/VH") for w in ("mean", "deviation", "10th percentile", "trend")]


def _interval(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def _rise(lam: float, half: float) -> float:
    """From 0 to 1 along lambda, one half at `half`."""
    return lam**1.3 / (lam**1.3 + half**1.3)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _held(value: float) -> float:
    return value - 0.025 - 0.03 * (1 - value)


def _crossing(lambdas: list[float], losses: list[float], allowed: float) -> float | str:
    kept = [lam for lam, loss in zip(lambdas, losses, strict=True) if loss <= allowed]
    return "inf" if len(kept) == len(lambdas) else kept[-1]


def _alone(base: float, half: float, values: list[float], targets: dict[str, float]) -> Audit:
    """Trained by alignment alone: what codes of 1, 2, ... shared directions predict, and all of them of each target."""
    most = values[-1]
    return {
        "directions": len(values),
        "correlations": [0.81 * 0.8**k for k in range(len(values) + 2)],
        "null95": [0.09] * (len(values) + 2),
        "components": list(range(1, len(values) + 1)),
        "sigma_z": [_interval(v, half) for v in values],
        "all": _interval(most, half),
        "loss": _interval(base - most, half),
        "share": _interval((base - most) / base, half / base),
        "per_target": {name: _interval(v * most / base, 2 * half) for name, v in targets.items()},
        "loss_per_target": {name: _interval(v * (1 - most / base), 2 * half) for name, v in targets.items()},
    }


def _expected(most: float, targets: dict[str, float]) -> Audit:
    """What networks are expected to keep, the more the larger the latent."""
    sizes, parts = [2, 4, 6, 8, 32], [0.5, 0.6, 0.7, 0.8, 0.9]
    columns = {name: [_interval(0.4 * p * v, 0.15) for p in parts] for name, v in targets.items()}
    whole = [_interval(p * most, 0.1) for p in parts]
    return {"components": sizes, "sigma_z": whole, "per_target": columns, "reason": None}


def _classes(curves: dict[str, tuple[float, float]]) -> Audit:
    """Recall and F1 that fall with what is retained of each class."""

    def scores(lost: float) -> Audit:
        recall = {name: max(0.0, first + 0.1 - lost * risk) for name, (first, risk) in curves.items()}
        return {
            "balanced_accuracy": _mean(list(recall.values())),
            "chance": 1 / len(curves),
            "f1": {name: max(0.0, value - 0.03) for name, value in recall.items()},
            "recall": recall,
        }

    support = {name: 180.0 + 240 * place for place, name in enumerate(curves)}
    return {
        "support": support,
        "scores": {"unaligned": scores(0), "supervised": scores(0.9), "contrastive": scores(1.6)},
    }


def _direction(
    side: int,
    targets: dict[str, tuple[float, float]],
    features: list[str],
    components: int,
    lossless: int,
    classes: bool = False,
) -> Audit:
    curves = {
        name: [first - risk * _rise(lam, 0.4 + 0.35 * place) for lam in LAMBDAS]
        for place, (name, (first, risk)) in enumerate(targets.items())
    }
    sigma_z = [_mean([curve[k] for curve in curves.values()]) for k in range(len(LAMBDAS))]
    align = [0.38 + 0.5 * _rise(lam, 0.8) for lam in LAMBDAS]
    first, last = sigma_z[0], _mean([a - b for a, b in targets.values()])
    base, risk = _held(first), 0.93 * (first - last)
    half = 0.02 if risk else 0.004
    ranked = sorted(targets.items(), key=lambda item: -item[1][1])
    sizes = list(range(1, lossless + 4))
    best = [base * min(1.0, 1 - (1 - min(k, len(targets)) / len(targets)) ** 1.6) for k in sizes]
    worst = [
        b - risk * max(0.0, min(1.0, (lossless - k) / (lossless - components + 1e-9)))
        if k >= components
        else b * (base - risk) / base
        for k, b in zip(sizes, best, strict=True)
    ]
    budget = _crossing(LAMBDAS, [0.93 * (first - v) for v in sigma_z], 0.05 * base)
    at_budget = LAMBDAS.index(budget) if isinstance(budget, float) else len(LAMBDAS) - 1
    ends = (budget, budget) if isinstance(budget, str) else (0.8 * budget, 1.3 * budget)
    held = {name: _held(a) for name, (a, _) in targets.items()}
    kept = [base * (1 - 0.62 * 0.75 ** (k + 1)) * 0.62 for k in range(4)]
    me, other = ("x1", "x2") if side == 1 else ("x2", "x1")
    call = f'from alignscope.linear import Remedy\n\nencoder = Remedy("{{0}}").fit({me}, {other}, y{side})'
    return {
        "lambda": LAMBDAS,
        "sigma_z": sigma_z,
        "alignment_r2": align,
        "held_out_sigma_z": [base - 0.93 * (first - v) for v in sigma_z],
        "per_target": curves,
        "held_out_per_target": {name: [_held(v) for v in curve] for name, curve in curves.items()},
        "sigma": first + 0.018,
        "capacity": {
            "components": components,
            "lossless_at": {"value": lossless, "low": max(lossless - 1, 1), "high": lossless + 2},
            "gap": 0.1,
            "curve": {
                "components": sizes,
                "sigma_z_prediction_first": [_interval(v, 0.02) for v in best],
                "sigma_z_align_first": [_interval(v, 0.022) for v in worst],
            },
        },
        "loss_capacity": 0.018,
        "at_risk": first - last,
        "lambda_critical": 0.0,
        "lambda_budget": {"value": budget, "low": ends[0], "high": ends[1], "grid_end": False},
        "budget": 0.05,
        "held_out_at_risk": _interval(risk, half),
        "held_out_share": {"value": risk / base, "low": max(0.0, risk - half) / base, "high": (risk + half) / base},
        "detectable": {"directions": 2, "columns": 2, "correlations": [0.74, 0.52, 0.06], "null95": [0.09, 0.09, 0.09]},
        "contrastive": {**_alone(base, 0.024, kept, held), "expected": _expected(kept[-1], held)},
        "predictive": _alone(base, 0.024, [0.55 * kept[0], 0.7 * kept[1], 0.9 * kept[2], kept[3]], held),
        "targets_at_risk": [
            {
                "target": name,
                "sigma_z_prediction_first": _held(a),
                "sigma_z_align_first": _held(a) - 0.9 * b,
                "at_risk": _interval(0.9 * b, 0.05 if b else 0.004),
            }
            for name, (a, b) in ranked
        ],
        "classes": _classes(targets) if classes else None,
        "raw": {
            "at_risk": 1.2 * (first - last),
            "lossless_at": lossless + 2,
            "lambda_budget": budget if isinstance(budget, str) else 0.7 * budget,
            "held_out_at_risk": 1.1 * risk,
            "held_out_sigma_z": [base - 1.02 * (first - v) for v in sigma_z],
            "curve": {
                "components": sizes,
                "sigma_z_prediction_first": [v + 0.03 for v in best],
                "sigma_z_align_first": [v + 0.02 for v in worst],
            },
        },
        "limits": {
            "prediction_first": {"sigma_z": first, "alignment_r2": align[0]},
            "align_first": {"sigma_z": last, "alignment_r2": 0.88},
        },
        "held_out_limits": {"prediction_first": base, "align_first": base - risk},
        "theorem2": {
            "assumption_i": True,
            "assumption_ii": True,
            "claims_loss": True,
            "loses": first - last > 1e-9,
            "loses_by_alignment": first - last > 1e-9,
            "sigma_22": 0.58,
            "sigma_2k": 0.58,
            "sigma_21": 0.41,
            "sigma_1k": 0.98,
            "text": "Both assumptions hold, so the theorem as stated claims a loss at every strength. The exact "
            "answer agrees here: the latent is too small to hold both the targets and the alignment target.",
        },
        "remedies": {
            "prediction_first": {
                "sigma_z": first,
                "alignment_r2": align[0],
                "text": "Fill the latent with what predicts the targets, then align with the room that is left.",
                "call": call.format("prediction_first"),
            },
            "target": {
                "sigma_z": first,
                "alignment_r2": align[0] + 0.012,
                "text": "Align only to the part of the other modality that the targets can use. Free at any lambda.",
                "call": call.format("target"),
            },
            "budget": {
                "lambda": budget,
                "sigma_z": sigma_z[at_budget],
                "alignment_r2": align[at_budget],
                "text": "Align as strongly as a loss of 5% allows.",
                "call": call.format("budget"),
            },
            "capacity": {
                "components": lossless,
                "sigma_z": first + 0.018,
                "alignment_r2": 0.88,
                "text": "Widen the latent until both fit. Free at any lambda.",
                "call": call.format("capacity"),
            },
            "split": {
                "lambda": 1.0,
                "components_shared": components // 2,
                "components_private": components - components // 2,
                "sigma_z": first - 0.06,
                "alignment_r2": align[0] + 0.02,
                "text": "Align only a shared part of the latent. Never better than prediction first at the same size.",
                "call": call.format("split"),
            },
        },
        "carriers": [
            {
                "feature": name,
                "weight": 0.52 * 0.83**place,
                "per_unit": 0.0023 * 0.8**place,
                "most_affected": ranked[place % min(3, len(ranked))][0],
            }
            for place, name in enumerate(features)
        ],
    }


def example() -> Audit:
    """Optical and radar: alignment costs four of the seven land-cover classes."""
    return spoken(_example())


def _example() -> Audit:
    one = _direction(1, CLASSES, OPTICAL, components=6, lossless=9, classes=True)
    two = _direction(2, STRUCTURE, RADAR, components=6, lossless=9)
    held = {"11": 0.618, "12": 0.371, "21": 0.287, "22": 0.529, "b1": 0.652, "b2": 0.568}
    half = {"11": 0.021, "12": 0.034, "21": 0.026, "22": 0.029, "b1": 0.020, "b2": 0.027}
    data = {
        "columns": 20,
        "rows": 4812,
        "dtype": "float32",
    }
    return {
        "schema": 2,
        "version": "0.1.0",
        "training": "supervised",
        "warnings": [],
        "shared": None,
        "lifted": None,
        "where": _where(),
        "n": 4812,
        "d1": 20,
        "d2": 12,
        "components": 6,
        "gauge": "fitted",
        "modalities": {
            "1": {"name": "optical", "source": "sentinel2.npy", "rank": 20, "features": 20, "constant": []},
            "2": {
                "name": "radar",
                "source": "sentinel1.npy",
                "rank": 11,
                "features": 12,
                "constant": ["VV/VH trend"],
            },
        },
        "targets": {
            "1": {"source": "land_cover.npy", "kind": "class", "names": list(CLASSES), "rank": 6},
            "2": {"source": "structure.csv", "kind": "regression", "names": list(STRUCTURE), "rank": 3},
        },
        "sigma": {
            "in_sample": {"11": 0.665, "12": 0.402, "21": 0.310, "22": 0.578, "b1": 0.689, "b2": 0.601},
            "held_out": {k: {**_interval(v, half[k]), "null95": 0.011 + half[k] / 9} for k, v in held.items()},
            "folds": {"kind": "group", "count": 5},
            "interval": {
                "kind": "group",
                "units": 63,
                "refit": True,
                "valid": True,
                "level": 0.95,
                "estimand": ESTIMAND,
            },
            "null": {"kind": "group", "rows": 4812, "permutations": 200},
        },
        "information": {
            "1": {
                "redundant": _interval(1.21, 0.06),
                "unique": {"1": _interval(0.83, 0.05), "2": _interval(0.11, 0.03)},
                "synergy": _interval(0.24, 0.04),
            },
            "2": {"reason": "Targets of more than 24 columns are not decomposed."},
        },
        "non_redundant": {
            "verdict": "yes",
            "text": "Each modality predicts something that the other does not: optical predicts land cover better than "
            "radar does, and radar predicts structure better than optical does.",
            "comparisons": [
                {
                    "knower": "1",
                    "other": "2",
                    "target": "1",
                    "difference": _interval(0.307, 0.03),
                    "answer": "yes",
                },
                {
                    "knower": "2",
                    "other": "1",
                    "target": "2",
                    "difference": _interval(0.151, 0.04),
                    "answer": "yes",
                },
            ],
            "complementary": {
                "1": {"gain": _interval(0.034, 0.011), "answer": "yes"},
                "2": {"gain": _interval(0.039, 0.041), "answer": "undecided"},
            },
        },
        "directions": {"1": one, "2": two},
        "regime": {
            "verdict": "predict",
            "text": "Alignment alone would recover what the two share and drop what only one of them predicts, so "
            "predict, and align only within the budget.",
            "shared_directions": 3,
            "unique": {"1": {"value": 0.31, "low": 0.25, "high": 0.36}},
        },
        "findings": [
            {"code": "AS301", "severity": "issue", "text": "optical: unlimited alignment loses 27% (24% to 31%)."},
            {"code": "AS401", "severity": "tip", "text": "optical: with K = 9 (8 to 11) at most 5% is lost."},
            {"code": "AS103", "severity": "info", "text": "radar: columns that never vary, left out: 'VV/VH trend'."},
            {"code": "AS902", "severity": "not_applicable", "text": "radar: its target has one column."},
        ],
        "decision": {"badge": "cannot tell", "reason": ""},
        "verdict": "",
        "action": "",
        "provenance": {
            "seed": 0,
            "folds": 5,
            "lambdas": "0.001:1000:100",
            "budget": 0.05,
            "moments": {"form": "chan", "condition": 812.4},
            "data": {
                "x1": {"source": "sentinel2.npy", "sha256": "3f" * 32, **data},
                "x2": {"source": "sentinel1.npy", "sha256": "a7" * 32, **data, "columns": 12},
                "y1": {
                    "source": "land_cover.npy",
                    "sha256": "09" * 32,
                    **data,
                    "columns": 1,
                    "dtype": "int64",
                },
                "y2": {
                    "source": "structure.csv",
                    "sha256": "c4" * 32,
                    **data,
                    "columns": 3,
                    "dtype": "float64",
                },
                "groups": {
                    "source": "tile.npy",
                    "sha256": "5b" * 32,
                    **data,
                    "columns": 1,
                    "dtype": "int64",
                },
            },
            "software": {"numpy": "2.3.1", "scipy": "1.16.0"},
        },
    }


def _where() -> Audit:
    """Where supervised training loses: by tile, by place, and the samples of which it drops most."""

    def located(most: float) -> Audit:
        tiles = [(f"tile {k:02d}", 40 + k, most * 0.8**k) for k in range(63)]
        return {
            "group_count": 63,
            "groups": [
                {"group": name, "rows": rows, "loss": _interval(loss, 0.1 * most + 0.002 * k)}
                for k, (name, rows, loss) in enumerate(tiles)
            ],
            "samples": [
                {
                    "sample": f"S2-{place:04d}",
                    "row": 37 * place,
                    "group": f"tile {place % 9:02d}",
                    "leverage": 9 * 0.9**place,
                    "loss": 4 * 0.9**place - 1,
                }
                for place in range(20)
            ],
            "cells": [
                {
                    "east": 8 + 0.1 * k,
                    "north": 50 + 0.1 * j,
                    "rows": 3 + j,
                    "loss": most * (k * j / 40 - 0.2),
                }
                for k in range(12)
                for j in range(8)
                if (k + j) % 5
            ],
        }

    return {"training": "supervised", "rows": 4812, "side": 0.1, "directions": {"1": located(0.6), "2": located(0.3)}}


def spoken(audit: Audit) -> Audit:
    """The record with the decision, the verdict and the action that its figures have."""
    record = record_of(audit)
    warnings = [*audit["warnings"], *(["AS117"] if few_rows(record) else [])]
    record = record_of({**audit, "warnings": warnings})
    said = {"verdict": verdict_sentence(record), "action": recommended_action(record)}
    return {**audit, "warnings": warnings, "decision": msgspec.to_builtins(decide(record)), **said}


def record_of(audit: Audit) -> results.AuditRecord:
    """The record of its JSON."""
    return msgspec.convert(audit, results.AuditRecord, strict=False)


def _replace(targets: dict[str, tuple[float, float]], **changes: Any) -> Audit:
    """The example with other targets in the direction 1."""
    audit = example()
    lossless = changes.pop("lossless", 9)
    audit["directions"]["1"] = {**_direction(1, targets, OPTICAL, 6, lossless), **changes}
    audit["targets"]["1"]["names"] = list(targets)
    return audit


def nothing_at_risk() -> Audit:
    """No loss in supervised training, in either direction: every figure of loss is zero, every lambda is infinite."""
    audit = _replace({name: (first, 0.0) for name, (first, _) in CLASSES.items()}, lossless=6)
    two = _direction(2, {name: (first, 0.0) for name, (first, _) in STRUCTURE.items()}, RADAR, 6, 6)
    audit["directions"]["2"] = two
    for direction in audit["directions"].values():
        unlimited = {"value": "inf", "low": "inf", "high": "inf", "grid_end": False}
        direction.update(lambda_critical="inf", lambda_budget=unlimited, carriers=[])
        direction["raw"]["lambda_budget"] = "inf"
        direction["remedies"]["budget"]["lambda"] = "inf"
        direction["theorem2"].update(loses=False, loses_by_alignment=False, text="The theorem claims a loss.")
    audit["regime"] = {"verdict": "both", "text": "Align or predict: both recover what matters."}
    audit["findings"] = [{"code": "AS303", "severity": "info", "text": "optical: at most 0.7% is lost (held out)."}]
    return spoken(audit)


def without_labels() -> Audit:
    """No targets: what of each modality is shared."""
    audit = example()
    for side, names in (("1", OPTICAL), ("2", RADAR)):
        audit["targets"][side].update(kind="modality", names=names, rank=audit["modalities"][side]["rank"])
        one = _direction(int(side), {n: (1.0, 0.02 * (k % 9)) for k, n in enumerate(names)}, names, 6, 9)
        audit["directions"][side] = one
        audit["sigma"]["held_out"][side + side] = {**_interval(0.999, 0.001), "null95": 0.01}
    audit.update(
        training="contrastive",
        shared={
            "1": {"variance": _interval(0.48, 0.03), "directions": 4},
            "2": {"variance": _interval(0.22, 0.04), "directions": 4},
        },
    )
    audit["findings"] = [{"code": "AS901", "severity": "not_applicable", "text": "No labels."}]
    return spoken(audit)


def too_few_rows() -> Audit:
    """Held-out figures within what chance reaches, and too few rows to have shown anything; one of them without r."""
    audit = example()
    audit["n"] = 60
    audit["sigma"]["folds"]["kind"] = audit["sigma"]["interval"]["kind"] = "row"
    for key in audit["sigma"]["held_out"]:
        audit["sigma"]["held_out"][key] = {**_interval(-0.2, 0.3), "null95": 0.02}
    for side in "12":
        d = audit["directions"][side]
        d["targets_at_risk"] = [{**t, "at_risk": _interval(0.02, 0.4)} for t in d["targets_at_risk"]]
        d["held_out_sigma_z"] = [-0.2 for _ in LAMBDAS]
        d["held_out_limits"] = {"prediction_first": -0.2, "align_first": -0.2}
        d["held_out_share"] = {"value": 0.0, "low": 0.0, "high": 1.0}
        d["held_out_at_risk"] = _interval(0.0, 0.3)
        d["capacity"]["lossless_at"] = {"value": "inf", "low": 2, "high": "inf"}
        sizes = d["capacity"]["curve"]["components"]
        for curve in ("sigma_z_prediction_first", "sigma_z_align_first"):
            d["capacity"]["curve"][curve] = [_interval(-0.2, 0.3) for _ in sizes]
        d["lambda_budget"] = {"value": 1000.0, "low": 0.001, "high": "inf", "grid_end": True}
        d["detectable"]["directions"] = 0
        for training in ("contrastive", "predictive"):
            d[training].update(directions=0, components=[], sigma_z=[], all=_interval(0.0, 0.0))
            d[training].update(loss=_interval(-0.2, 0.3), share={"value": 0.0, "low": 0.0, "high": 1.0})
            d[training]["per_target"] = {name: _interval(0.0, 0.0) for name in d[training]["per_target"]}
    return spoken(audit)


def _bare(value: Any) -> Any:
    """The same figures without intervals."""
    if isinstance(value, dict):
        bare = {k: _bare(v) for k, v in value.items()}
        return {**bare, "low": None, "high": None} if {"value", "low", "high"} <= value.keys() else bare
    return [_bare(v) for v in value] if isinstance(value, list) else value


def rows_alike() -> Audit:
    """Rows that depend on each other, and no groups: no figure has an interval."""
    audit = example()
    regime = audit["regime"]
    audit = {**_bare(audit), "regime": regime, "warnings": ["AS115"]}
    audit["sigma"]["folds"]["kind"] = audit["sigma"]["interval"]["kind"] = "row"
    audit["sigma"]["interval"]["valid"] = False
    return spoken(audit)


def lifted() -> Audit:
    """Contrastive training leads, the latent size was given, and random features were asked for."""
    audit = {**example(), "training": "contrastive", "components": 4}
    d = audit["directions"]
    audit["lifted"] = {
        "features": 256,
        "sigma": {k: {**v, "value": v["value"] + 0.08} for k, v in audit["sigma"]["held_out"].items()},
        "directions": {
            i: {
                "sigma": _interval(0.7, 0.02),
                "features": 128,
                "ridge": 0.01,
                "contrastive": copy.deepcopy(d[i]["contrastive"]),
            }
            for i in "12"
        },
    }
    return spoken(audit)


def redundant() -> Audit:
    """Two modalities that know the same; held-out figures below zero among them."""
    audit = example()
    audit["modalities"]["2"]["name"] = "optical, next day"
    audit["targets"]["2"] = copy.deepcopy(audit["targets"]["1"])
    audit["directions"]["2"] = _direction(2, CLASSES, RADAR, components=6, lossless=9)
    for key in ("21", "22"):
        audit["sigma"]["held_out"][key] = {**_interval(-0.9, 1.4), "null95": 0.02}
    audit["non_redundant"].update(verdict="no", text="Neither modality predicts what the other does not.")
    for comparison in audit["non_redundant"]["comparisons"]:
        comparison.update(difference=_interval(-0.002, 0.004), answer="no")
    audit["regime"] = {"verdict": "undecided", "text": "The intervals are too wide to tell."}
    return spoken(audit)


def one_target() -> Audit:
    """A single regression target without a name of its own."""
    audit = _replace({"y1 0": (0.61, 0.2)})
    audit["targets"]["1"].update(kind="regression", rank=1)
    return spoken(audit)


def hundred_targets() -> Audit:
    """A hundred targets; some gain from alignment."""
    targets = {f"species {j:03d}": (0.25 + 0.005 * j, 0.2 - 0.0025 * j) for j in range(100)}
    return spoken(_replace(targets))


HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "\"double\" & 'single' \\ back`tick` ${1+1} {{ 7*7 }}",
    "datum['x'] <!-- \u2028 comment -->",
    "Ein außerordentlich langer Klassenname, wie ihn Nomenklaturen gern führen: natürliches Grünland, extensiv " * 2,
    "0",
    "",
]


def hostile_names() -> Audit:
    """Names that break out of HTML, JSON, templates and layouts where these are careless."""
    audit = _replace({name: (0.6 - 0.05 * j, 0.3 - 0.04 * j) for j, name in enumerate(HOSTILE)})
    audit["modalities"]["1"]["name"] = HOSTILE[0]
    audit["modalities"]["2"]["name"] = HOSTILE[4]
    audit["directions"]["1"]["carriers"] = [
        {"feature": name, "weight": 0.5 / (j + 1), "per_unit": 1e-7, "most_affected": HOSTILE[j]}
        for j, name in enumerate(HOSTILE)
    ]
    audit["verdict"] = f"Aligning {HOSTILE[0]} costs."
    audit["action"] = HOSTILE[1]
    audit["findings"][0]["text"] = HOSTILE[1]
    audit["provenance"]["data"]["x1"]["source"] = HOSTILE[2]
    return audit


VARIANTS = {
    "example": example,
    "nothing at risk": nothing_at_risk,
    "redundant": redundant,
    "without labels": without_labels,
    "too few rows": too_few_rows,
    "rows alike": rows_alike,
    "lifted": lifted,
    "one target": one_target,
    "hundred targets": hundred_targets,
    "hostile names": hostile_names,
}
