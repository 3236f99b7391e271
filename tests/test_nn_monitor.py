"""The monitor: streamed figures against fits on all rows at once, and that nothing makes it lie."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.datasets.factors import FactorModel
from alignscope.errors import AlignscopeError
from alignscope.measures import spectrum
from alignscope.nn.monitor.monitor import Monitor
from alignscope.nn.monitor.report import MonitorReport
from strategies import seeds

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way


def rows(seed: int, n: int = 400, k1: int = 3, k2: int = 4) -> dict[str, torch.Tensor]:
    """Two embeddings with means that share directions, three classes and two numbers that both know in part."""
    rng = np.random.default_rng(seed)
    f = rng.normal(size=(n, 4))
    z1, z2 = (f @ rng.normal(size=(4, k)) + rng.normal(size=(n, k)) + 3 * rng.normal(size=k) for k in (k1, k2))
    species = (f[:, 0] > 0.3).astype(int) + (f[:, 1] > 0.1)
    height = f[:, 1:3] @ rng.normal(size=(2, 2)) + 0.5 * rng.normal(size=(n, 2)) + 5
    return {
        "z1": torch.from_numpy(z1),
        "z2": torch.from_numpy(z2),
        "species": torch.from_numpy(species),
        "height": torch.from_numpy(height),
    }


TARGETS = {"species": 3, "height": 2}


def watch(
    data: dict[str, torch.Tensor], sizes: list[int] | int = 50, monitor: Monitor | None = None, **extra: Any
) -> MonitorReport:
    """One epoch; `extra` tensors (present, ids) are cut as the rows are."""
    monitor = monitor or Monitor(TARGETS)
    n = len(data["z1"])
    sizes = [sizes] * -(-n // sizes) if isinstance(sizes, int) else sizes
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        monitor.add(
            z={"optical": data["z1"][part], "radar": data["z2"][part]},
            y={"species": data["species"][part], "height": data["height"][part]},
            **{name: tensor[part] for name, tensor in extra.items()},
        )
        start += size
    return monitor.end_epoch()


def slow_fold(number: int, folds: int = 5) -> int:
    return ((number * 0x9E3779B97F4A7C15 % 2**64) >> 33) % 2**31 % folds


def slow_r2(z: np.ndarray, y: np.ndarray, ids: np.ndarray) -> list[float]:
    """R^2 of every column and of all, by least squares on all folds but one."""
    fold = np.array([slow_fold(int(i)) for i in ids])
    residual = np.zeros_like(y)
    for f in np.unique(fold):
        train, held = fold != f, fold == f
        design = np.column_stack([np.ones(train.sum()), z[train]])
        weights = np.linalg.lstsq(design, y[train], rcond=None)[0]
        residual[held] = y[held] - np.column_stack([np.ones(held.sum()), z[held]]) @ weights
    total = np.square(y - y.mean(axis=0))
    residual = np.square(residual)
    return [*(1 - residual.sum(axis=0) / total.sum(axis=0)), 1 - residual.sum() / total.sum()]


def figures(report: MonitorReport) -> list[float]:
    found = [t.r2 for t in report.targets] + [v for t in report.targets for v in t.per_column]
    found += [v for m in report.modalities for v in (m.samples, m.total_variance, m.effective_rank)]
    return [*found, *(p.r2 for p in report.pairs), report.samples]


@settings(max_examples=30)
@given(seeds, st.integers(60, 300), st.integers(1, 5), st.integers(1, 5))
def test_streamed_figures_are_those_of_all_rows_at_once(seed: int, n: int, k1: int, k2: int) -> None:
    data = rows(seed, n, k1, k2)
    report = watch(data, 37)
    ids, z = np.arange(n), {"optical": data["z1"].numpy(), "radar": data["z2"].numpy()}
    y = {"species": np.eye(3)[data["species"]], "height": data["height"].numpy()}
    for target in report.targets:
        expected = slow_r2(z[target.modality], y[target.target], ids)
        np.testing.assert_allclose([*target.per_column, target.r2], expected, atol=1e-6)
    for pair in report.pairs:
        assert pair.r2 == pytest.approx(slow_r2(z[pair.first], z[pair.second], ids)[-1], abs=1e-6)
        assert pair.samples == n
        if k1 != k2:
            assert pair.gap is None
            continue
        variance = np.mean([m.var(axis=0).sum() for m in z.values()])
        distance = np.linalg.norm(z["optical"].mean(axis=0) - z["radar"].mean(axis=0))
        assert pair.gap == pytest.approx(distance / np.sqrt(variance))
    for state in report.modalities:
        expected_spectrum = spectrum(z[state.modality])
        assert state.samples == n
        assert state.total_variance == pytest.approx(expected_spectrum.total_variance)
        assert state.effective_rank == pytest.approx(expected_spectrum.effective_rank)


@settings(max_examples=12)
@given(seeds, st.lists(st.integers(0, 90), min_size=1, max_size=12))
def test_batch_sizes_do_not_matter(seed: int, sizes: list[int]) -> None:
    """Not even of one sample, of none, or of more than a block."""
    data = rows(seed, 400)
    cuts = [*sizes, 400]
    monitor = Monitor(TARGETS, window=64)  # blocks of 64 rows
    expected = figures(watch(data, 400, Monitor(TARGETS, window=64)))
    assert figures(watch(data, cuts, monitor)) == expected
    assert figures(watch(data, 1, monitor)) == expected  # and nothing stays from the epoch before


@settings(max_examples=15)
@given(seeds)
def test_with_ids_order_does_not_matter(seed: int) -> None:
    data, ids = rows(seed), torch.arange(400)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(400))
    shuffled = {name: values[order] for name, values in data.items()}
    expected = figures(watch(data))
    np.testing.assert_allclose(figures(watch(shuffled, ids=ids[order])), expected, atol=1e-9)
    assert not np.allclose(figures(watch(shuffled)), expected, atol=1e-9)  # other folds


def test_samples_of_one_group_are_held_out_together() -> None:
    """Five copies of each sample: without groups, the readout has seen what it is scored on."""
    rng = np.random.default_rng(0)
    data = {
        "z1": torch.from_numpy(rng.normal(size=(60, 40))),
        "z2": torch.from_numpy(rng.normal(size=(60, 2))),
        "species": torch.from_numpy(rng.integers(3, size=60)),
        "height": torch.from_numpy(rng.normal(size=(60, 2))),
    }
    data = {name: values.repeat_interleave(5, dim=0) for name, values in data.items()}
    leaky = watch(data).r2["species from optical"]
    honest = watch(data, ids=torch.arange(60).repeat_interleave(5)).r2["species from optical"]
    assert leaky > 0.3
    assert honest < 0


@settings(max_examples=15)
@given(seeds, st.floats(0.2, 0.9))
def test_absent_modalities_do_not_count_whatever_they_hold(seed: int, share: float) -> None:
    """Each figure is that of the samples that have what it needs."""
    data, ids = rows(seed), torch.arange(400)
    present = torch.from_numpy(np.random.default_rng(seed).random((400, 2)) < share)
    holes = dict(data)
    for m, name in enumerate(("z1", "z2")):
        holes[name] = torch.where(present[:, m, None], data[name], [torch.nan, torch.inf][m])
    report = watch(holes, present=present, ids=ids)
    for m, modality in enumerate(("optical", "radar")):
        has = present[:, m]
        alone = watch({k: v[has] for k, v in data.items()}, ids=ids[has])
        for a, b in zip(report.targets, alone.targets, strict=True):
            if a.modality == modality:
                assert a.r2 == pytest.approx(b.r2, abs=1e-9)
        assert report.modalities[m].samples == has.sum()
        assert report.modalities[m].effective_rank == pytest.approx(alone.modalities[m].effective_rank)
    both = present.all(dim=1)
    together = watch({k: v[both] for k, v in data.items()}, ids=ids[both])
    assert [p.samples for p in report.pairs] == [both.sum()] * 2
    np.testing.assert_allclose([p.r2 for p in report.pairs], [p.r2 for p in together.pairs], atol=1e-9)
    assert report.samples == present.any(dim=1).sum()


def test_a_modality_that_nobody_has() -> None:
    data, present = rows(0), torch.tensor([True, False]).expand(400, 2)
    report = watch({**data, "z2": torch.full((400, 4), torch.nan)}, present=present)
    assert report.modalities[1].samples == report.modalities[1].effective_rank == 0
    assert {t.r2 is None for t in report.targets if t.modality == "radar"} == {True}
    assert {p.r2 for p in report.pairs} == {p.gap for p in report.pairs} == {None}
    assert report.r2["height from optical"] == watch(data).r2["height from optical"]
    assert "R2 –" in str(report)


def test_three_modalities_without_targets() -> None:
    monitor = Monitor()
    z = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    monitor.add(z={"a": z, "b": 2 * z + 5, "c": z[:, :2]})
    report = monitor.end_epoch()
    r2 = {(p.first, p.second): p.r2 for p in report.pairs}
    assert len(r2) == 6
    assert report.r2 == {}
    assert r2["a", "b"] == pytest.approx(1)
    assert r2["a", "c"] == pytest.approx(1)
    assert 0.3 < r2["c", "a"] < 0.7


def test_constant_columns_and_targets() -> None:
    data = rows(0)
    expected = watch(data).r2
    data["z1"] = torch.cat([data["z1"], torch.full((400, 1), 0.1), torch.full((400, 1), 1e9)], dim=1)
    report = watch(data)
    assert report.r2["height from optical"] == pytest.approx(expected["height from optical"], abs=1e-9)
    data["z1"] = torch.full((400, 3), 0.1)
    data["height"] = torch.full((400, 2), 0.3)
    report = watch(data)
    assert report.r2["height from radar"] is None
    assert report.r2["species from optical"] == pytest.approx(0, abs=0.05)
    assert report.modalities[0].total_variance == report.modalities[0].effective_rank == 0
    assert report.pairs[1].r2 is None  # nothing of optical to predict


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_any_precision(dtype: torch.dtype) -> None:
    """The moments are in float64: only the embeddings themselves are rounded."""
    data = rows(3)
    rounded = {name: data[name].to(dtype) for name in ("z1", "z2")}
    found = figures(watch({**data, **rounded}))
    assert found == figures(watch({**data, **{name: z.double() for name, z in rounded.items()}}))
    np.testing.assert_allclose(found, figures(watch(data)), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_scale_and_shift_of_a_code_do_not_matter(scale: float, shift: float) -> None:
    data = rows(1)
    expected = watch(data)
    data["z1"] = (data["z1"] + shift) * scale
    found = watch(data)
    np.testing.assert_allclose(list(found.r2.values()), list(expected.r2.values()), atol=1e-6)
    assert found.pairs[0].r2 == pytest.approx(expected.pairs[0].r2, abs=1e-6)
    assert found.modalities[0].total_variance == pytest.approx(scale**2 * expected.modalities[0].total_variance)


def test_what_the_population_knows_is_found() -> None:
    model = FactorModel(("s", "u"), [3.0, 2.0], [2.0, 0.0], {"s": "s", "u": "u"}, tau1=1, tau2=1, eta1=0.5)
    sample = model.sample(8000, seed=0)
    monitor = Monitor({"s": 1, "u": 1}, window=8000)
    y = {"s": torch.from_numpy(sample.y1[:, 0]), "u": torch.from_numpy(sample.y1[:, 1])}
    monitor.add(z={"1": torch.from_numpy(sample.x1), "2": torch.from_numpy(sample.x2)}, y=y)
    r2 = monitor.end_epoch().r2
    for modality in ("1", "2"):
        for name, truth in zip("su", model.truth().per_target(modality, "1"), strict=True):
            assert r2[f"{name} from {modality}"] == pytest.approx(truth, abs=0.02)


def test_no_graph_is_kept_and_later_changes_do_not_reach_it() -> None:
    data = rows(0)
    z1 = data["z1"].clone().requires_grad_() * 1
    monitor = Monitor(TARGETS)
    y = {name: data[name] for name in TARGETS}
    monitor.add(z={"optical": z1, "radar": data["z2"]}, y=y)
    z1.data.zero_()
    gone = weakref.ref(z1)
    del z1
    gc.collect()
    assert gone() is None
    assert figures(monitor.end_epoch()) == figures(watch(data, 400))


def test_inference_and_training_mix() -> None:
    data = rows(0)
    monitor = Monitor(TARGETS)
    with torch.inference_mode():
        first = watch({k: v.clone() for k, v in data.items()}, monitor=monitor)
    assert figures(watch(data, monitor=monitor)) == figures(first)


def test_memory_does_not_grow_with_samples() -> None:
    def held(batches: int) -> int:
        monitor, data = Monitor(TARGETS, window=256), rows(0, 100)
        for _ in range(batches):
            monitor.add(z={"optical": data["z1"], "radar": data["z2"]}, y={name: data[name] for name in TARGETS})
        stream = monitor._trained
        tensors = [stream._rows, stream._keys]
        tensors += [t for s in (stream._recent, stream._before) for m in s.values() for t in (m.mean, m.product)]
        assert len(stream._marks) <= 4
        return sum(t.numel() for t in tensors)

    assert held(50) == held(500)


def test_figures_are_of_the_most_recent_samples() -> None:
    """Encoders move: what they were early in a long epoch is forgotten."""
    early, late = rows(0, 1000), rows(1, 1024)
    mixed = {name: torch.cat([early[name], late[name]]) for name in early}
    report = watch(mixed, 100, Monitor(TARGETS, window=512))
    assert report.samples == 1000 + 1024 - 2 * 512  # 2 windows of 512 are full, the third has 488 + 512
    recent = {name: values[1024:] for name, values in mixed.items()}
    ids = torch.arange(1024, 2024)
    np.testing.assert_allclose(
        figures(report), figures(watch(recent, ids=ids, monitor=Monitor(TARGETS, window=2048))), atol=1e-9
    )


def test_each_nth_batch() -> None:
    data = rows(0, 400)
    chosen = torch.arange(400) // 40 % 3 == 0
    found = watch(data, 40, Monitor(TARGETS, every=3))
    assert figures(found) == figures(watch({name: values[chosen] for name, values in data.items()}, 40))


def test_too_few_samples_are_undefined_not_wrong() -> None:
    data = rows(0, 8, k1=2, k2=7)
    report = watch(data)
    assert report.r2["height from radar"] is None
    assert report.r2["height from optical"] is not None
    assert figures(watch(rows(0, 1)))[0] is None


def test_retention_against_a_reference() -> None:
    data = rows(0, 2000)
    reference = watch(data)
    noise = torch.randn(2000, 3, generator=torch.Generator().manual_seed(1))
    worse = {**data, "z1": 3 * noise}
    report = watch(
        worse, monitor=Monitor(TARGETS, reference=MonitorReport.from_json(reference.to_json()), min_retention=0.8)
    )
    for name, kept in report.retention.items():
        assert kept == pytest.approx(report.r2[name] / reference.r2[name])
        assert (kept < 0.8) == ("optical" in name)
    assert [sentence.split(":")[0] for sentence in report.lost] == ["species from optical", "height from optical"]
    known = reference.r2["height from optical"]
    assert f"R2 {report.r2['height from optical']:.2f} of {known:.2f}" in report.lost[1]
    assert str(report).count("LOST: ") == 2
    assert MonitorReport.from_json(report.to_json()) == report


def test_without_a_reference_the_best_so_far_is_it() -> None:
    data, monitor = rows(0, 1000), Monitor(TARGETS)
    noise = torch.from_numpy(np.random.default_rng(1).normal(size=(1000, 3)))
    noisy = [{**data, "z1": data["z1"] + s * noise} for s in (0.5, 0.0, 9.0)]
    first, second, third = (watch(d, monitor=monitor) for d in noisy)
    assert [r.epoch for r in (first, second, third)] == [1, 2, 3]
    assert set(first.retention.values()) == set(second.retention.values()) == {1.0}
    name = "height from optical"
    assert third.retention[name] == pytest.approx(third.r2[name] / second.r2[name])
    assert any(sentence.startswith(name) for sentence in third.lost)


def test_the_reference_can_be_set_later() -> None:
    data, monitor = rows(0, 1000), Monitor(TARGETS)
    monitor.reference = watch(data, monitor=monitor)
    assert monitor.reference == watch(data).r2
    double = {name: 2 * r2 for name, r2 in monitor.reference.items()}
    monitor.reference = double
    assert set(watch(data, monitor=monitor).retention.values()) == {0.5}
    assert monitor.reference == double


def test_what_was_never_known_cannot_be_lost() -> None:
    data = rows(0, 1000)
    data["height"] = torch.randn(1000, 2)
    report = watch(data, monitor=Monitor(TARGETS, reference=dict.fromkeys(watch(data).r2, 0.01)))
    assert set(report.retention.values()) == {None}
    assert report.lost == ()


def one(**changed: Any) -> dict[str, Any]:
    """The arguments of `add` for a batch of 50, some of them changed."""
    data = rows(0, 50)
    z = {"optical": data["z1"], "radar": data["z2"]} | changed.pop("z", {})
    y = {"species": data["species"], "height": data["height"]} | changed.pop("y", {})
    return {"z": z, "y": y, **changed}


BAD_FIRST = {
    "no modality": ({"z": {}, "y": one()["y"]}, r"^z: no modality\. .*\[E201\]$"),
    "vector": (one(z={"optical": torch.zeros(50)}), r"^optical: shape \(50,\)\. Give embeddings \(N, K\)\. \[E201\]$"),
    "no column": (one(z={"radar": torch.zeros(50, 0)}), r"^radar: shape \(50, 0\)\. .*\[E201\]$"),
    "unknown target": (one(y={"age": torch.zeros(50)}), r"^y: species, height, age instead of species, height\..*E210"),
    "target missing": ({"z": one()["z"]}, r"^y: none instead of species, height\. .*\[E210\]$"),
    "rows": (one(z={"radar": torch.zeros(49, 4)}), r"^radar: 49 rows where z has 50\. .*\[E202\]$"),
    "rows of y": (one(y={"species": torch.zeros(9).long()}), r"^species: 9 rows where z has 50\. .*\[E202\]$"),
    "columns of y": (one(y={"height": torch.zeros(50, 3)}), r"^height: shape \(50, 3\)\. Give \(N, 2\), as .*E201"),
    "scalar": (one(y={"species": torch.tensor(1)}), r"^species: shape \(\)\. .*\[E201\]$"),
    "present": (one(present=torch.ones(50, 3).bool()), r"^present: shape \(50, 3\)\. Give \(N, 2\), .*\[E201\]$"),
    "ids": (one(ids=torch.arange(49)), r"^ids: 49 rows where z has 50\. .*\[E202\]$"),
}  # fmt: skip
BAD_LATER = {
    "another modality": (one(z={"lidar": torch.zeros(50, 2)}), r"^z: optical, radar, lidar instead of .*\[E210\]$"),
    "width": (one(z={"optical": torch.zeros(50, 2)}), r"^optical: shape \(50, 2\)\. Give \(N, 3\), .*\[E201\]$"),
    "scalar": (one(z={"optical": torch.tensor(1.0)}), r"^optical: shape \(\)\. .*\[E201\]$"),
    "floats": (one(y={"species": torch.zeros(50)}), r"^species: type torch.float32\. Give class codes .*\[E106\]$"),
    "NaN": (
        one(z={"radar": torch.where(torch.arange(200).reshape(50, 4) == 7, torch.nan, 1.0)}),
        r"^radar, batch 2: NaN or infinity\. Training has diverged; or give by `present` which .*\[E203\]$",
    ),
    "infinity": (one(z={"optical": torch.full((50, 3), -torch.inf)}), r"^optical, batch 2: NaN or infinity\. .*E203"),
    "NaN target": (one(y={"height": torch.full((50, 2), torch.nan)}), r"^height, batch 2: NaN or inf.*Fill.*E203"),
    "class code": (one(y={"species": torch.arange(50)}), r"^species, batch 2: class code 3 of a .* 3 classes\. .*E304"),
    "no label": (one(y={"species": torch.arange(50) - 50}), r"^species, batch 2: class code -50 of a .*\[E304\]$"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FIRST)
def test_a_first_batch_that_cannot_be_used(name: str) -> None:
    batch, match = BAD_FIRST[name]
    with pytest.raises(AlignscopeError, match=match):
        Monitor(TARGETS).add(**batch)


@pytest.mark.parametrize("name", BAD_LATER)
def test_a_later_batch_that_cannot_be_used(name: str) -> None:
    batch, match = BAD_LATER[name]
    monitor = Monitor(TARGETS)
    monitor.add(**one())
    with pytest.raises(AlignscopeError, match=match):
        monitor.add(**batch)
        monitor.add(**one())
        monitor.end_epoch()


def test_a_divergence_is_reported_as_soon_as_a_block_is_full() -> None:
    monitor, bad = Monitor(TARGETS, window=100), one(z={"radar": torch.full((50, 4), torch.nan)})
    monitor.add(**one())
    with pytest.raises(AlignscopeError, match=r"^radar, batch 2: "):
        monitor.add(**bad)


@pytest.mark.parametrize(
    ("settings_", "match"),
    [
        ({"targets": {"species": 0}}, r"^species: 0\. .*\[E304\]$"),
        ({"window": 0}, r"^window: 0\. .*\[E304\]$"),
        ({"every": 0}, r"^every: 0\. .*\[E304\]$"),
        ({"min_retention": 0.0}, r"^min_retention: 0\.0\. .*\[E304\]$"),
        ({"min_retention": 1.5}, r"^min_retention: 1\.5\. .*\[E304\]$"),
        ({"folds": 1}, r"^folds: 1\. .*at least 2\. \[E303\]$"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_used(settings_: dict[str, Any], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        Monitor(**settings_)


def test_an_epoch_without_samples_has_no_figures() -> None:
    monitor = Monitor(TARGETS)
    with pytest.raises(AlignscopeError, match=r"^end_epoch\(\): no samples\. .*\[E205\]$"):
        monitor.end_epoch()
    watch(rows(0), monitor=monitor)
    with pytest.raises(AlignscopeError, match=r"^end_epoch\(\): no samples\. .*\[E205\]$"):
        monitor.end_epoch()


def test_a_reference_of_other_targets_is_refused() -> None:
    with pytest.raises(AlignscopeError, match=r"^reference: it lacks height from optical\. .*\[E210\]$"):
        watch(rows(0), monitor=Monitor(TARGETS, reference={"species from optical": 0.5}))


@settings(max_examples=5)
@given(st.integers(2, 10), st.integers(-(2**62), 2**62), st.sampled_from([1, 2, 5, 10, 64, 1000, 2**20]))
def test_folds_are_even_and_in_no_step_with_any_period(folds: int, start: int, period: int) -> None:
    from alignscope.nn.monitor.streaming import fold_of

    ids = start + period * torch.arange(4000)
    found = fold_of(ids, folds)
    assert found.tolist()[:50] == [slow_fold(int(i) % 2**64, folds) for i in ids[:50]]
    counts = torch.bincount(found, minlength=folds)
    assert len(counts) == folds
    assert (counts > 0.7 * 4000 / folds).all()
