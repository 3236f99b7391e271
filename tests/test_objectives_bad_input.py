"""Every refusal of an objective says what it saw and what to do; settings that learn get their gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from alignscope.errors import AlignscopeError
from alignscope.nn import objectives as o
from objective_twins import OBJECTIVES, embeddings
from tensor_helpers import normal

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

A, B = embeddings(0, 2, 6, 4)
PAIRS = [o.info_nce, o.siglip, o.spectral_contrastive, o.barlow_twins, o.vicreg, o.cca_loss, o.cross_covariance, o.hsic]
ALIKE = [o.info_nce, o.siglip, o.spectral_contrastive, o.barlow_twins, o.vicreg]


@pytest.mark.parametrize("objective", PAIRS)
@pytest.mark.parametrize(
    ("z1", "z2", "present", "match"),
    [
        (A, B[:5], None, r"^z1, z2: 6 and 5 rows\. Give one row per sample, in one order\. \[E202\]$"),
        (A[0], B, None, r"^z1: shape \(4,\)\. Give a matrix of samples x dimensions\. \[E201\]$"),
        (A, B[:, :0], None, r"^z2: shape \(6, 0\)\. Give a matrix of samples x dimensions\. \[E201\]$"),
        (
            A,
            B,
            torch.ones(6),
            r"^present: torch\.float32 of shape \(6,\)\. Give torch\.bool .*\[E201\]$",
        ),
        (A, B, torch.ones(5, dtype=torch.bool), r"^present: torch\.bool of shape \(5,\)\. .*\[E201\]$"),
        (A, B, torch.ones(6, 2, dtype=torch.bool), r"^present: torch\.bool of shape \(6, 2\)\. .*\[E201\]$"),
    ],
)
def test_rows_that_do_not_fit(
    objective: Callable[..., torch.Tensor], z1: torch.Tensor, z2: torch.Tensor, present: torch.Tensor, match: str
) -> None:
    with pytest.raises(AlignscopeError, match=match):
        objective(z1, z2, present=present)


@pytest.mark.parametrize("objective", PAIRS)
def test_sizes_may_differ_only_where_nothing_compares_dimensions(objective: Callable[..., torch.Tensor]) -> None:
    if objective in ALIKE:
        with pytest.raises(AlignscopeError, match=r"^z1, z2: 4 and 3 dimensions\. .*one size for all\. \[E201\]$"):
            objective(A, B[:, :3])
    else:
        assert objective(A, B[:, :3]).isfinite()


TWO = torch.ones(6, 2, dtype=torch.bool)
TOKENS = [A[:, None], B[:, None]]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: o.jepa(A, B[:, :3]), r"^prediction, teacher_latent: 4 and 3 dimensions\. .*\[E201\]$"),
        (lambda: o.jepa(A[:, :1], B[:, :1]), r"^teacher_latent: 1 dimension\. LayerNorm makes it 0; .*\[E201\]$"),
        (lambda: o.sup_con(A, A), r"^labels: shape \(6, 4\)\. Give one class code a sample\. \[E201\]$"),
        (lambda: o.sup_con(A, torch.arange(5)), r"^z, labels: 6 and 5 rows\. .*\[E202\]$"),
        (lambda: o.bottleneck_alignment(A, A, B, B[:, :2]), r"^mu1, .*, logvar2: 4 and 4 and 4 and 2 dim.*\[E201\]$"),
        (lambda: o.gram([A]), r"^modalities: 1\. An alignment needs at least two\. \[E201\]$"),
        (lambda: o.symile([A]), r"^modalities: 1\. An alignment needs at least two\. \[E201\]$"),
        (lambda: o.mil_nce(TOKENS[:1]), r"^modalities: 1\. An alignment needs at least two\. \[E201\]$"),
        (lambda: o.over_pairs(o.info_nce, []), r"^modalities: 0\. An alignment needs at least two\. \[E201\]$"),
        (lambda: o.gram([A[:, :2]] * 3), r"^zs: 2 dimensions for 3 modalities\. Their volume is always 0; .*\[E201\]$"),
        (lambda: o.gram([A, B[:5]]), r"^z1, z2: 6 and 5 rows\. .*\[E202\]$"),
        (lambda: o.symile([A, B, A[:, :3]]), r"^z1, z2, z3: 4 and 4 and 3 dimensions\. .*\[E201\]$"),
        (
            lambda: o.symile([A, B, A], present=TWO),
            r"^present: .*\(6, 2\)\. Give .* \(6, 3\)\. \[E201\]$",
        ),
        (
            lambda: o.gram([A, B], present=TWO[:, 0]),
            r"^present: .*\(6,\)\. Give .* \(6, 2\)\. \[E201\]$",
        ),
        (lambda: o.over_pairs(o.hsic, [A, B, A], present=TWO), r"^present: .*of shape \(6, 3\)\. \[E201\]$"),
        (lambda: o.mil_nce(TOKENS, present=TWO.long()), r"^present: torch\.int64 .*of shape \(6, 2\)\. \[E201\]$"),
        (lambda: o.mil_nce([A, B]), r"^tokens: shapes .*\. Give samples x patches x dimensions\. \[E201\]$"),
        (lambda: o.mil_nce([A[:, None], B[:5, None]]), r"^tokens: 6 and 5 rows\. .*\[E202\]$"),
        (lambda: o.mil_nce([A[:, None], B.reshape(6, 2, 2)]), r"^tokens: shapes .*one grid of patches .*\[E201\]$"),
        (lambda: o.finite_rows(A, B[:3]), r"^modalities: 6 and 3 rows\. .*\[E202\]$"),
        (lambda: o.barlow_twins(A, B, off_diagonal=-1.0), r"^off_diagonal: -1\.0\. .*at least 0\. \[E304\]$"),
        (lambda: o.vicreg(A, B, covariance=torch.inf), r"^covariance: inf\. .*at least 0\. \[E304\]$"),
        (lambda: o.bottleneck_alignment(A, A, B, B, beta=-0.5), r"^beta: -0\.5\. .*at least 0\. \[E304\]$"),
        (lambda: o.cca_loss(A, B, ridge=0.0), r"^ridge: 0\. Give a positive number.*\[E304\]$"),
        (lambda: o.hsic(A, B, bandwidth=-2.0), r"^bandwidth: -2\. Give a positive number.*\[E304\]$"),
        (
            lambda: o.EMATeacher(nn.Linear(2, 2), 1.0),
            r"^momentum: 1\.0\. Give a number of at least 0 and below 1\. \[E304\]$",
        ),
        (
            lambda: o.EMATeacher(nn.Linear(2, 2), -0.1),
            r"^momentum: -0\.1\. Give a number of at least 0 and below 1\. \[E304\]$",
        ),
        (lambda: o.EMATeacher(nn.Linear(2, 2)).update(nn.Linear(2, 1)), r"^module: other parameters\. .*\[E201\]$"),
    ],
)
def test_refusals(call: Callable[[], object], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()


TEMPERED: dict[str, tuple[str, Callable[..., torch.Tensor]]] = {
    "info_nce": ("temperature", lambda **s: o.info_nce(A, B, **s)),
    "siglip": ("temperature", lambda **s: o.siglip(A, B, **s)),
    "sup_con": ("temperature", lambda **s: o.sup_con(A, torch.arange(6) % 2, **s)),
    "bottleneck": ("temperature", lambda **s: o.bottleneck_alignment(A, B, A, B, generator=torch.manual_seed(0), **s)),
    "gram": ("temperature", lambda **s: o.gram([A, B, A + B], **s)),
    "symile": ("logit_scale", lambda **s: o.symile([A, B, A + B], **s)),
    "mil_nce": ("temperature", lambda **s: o.mil_nce(TOKENS, **s)),
}


@pytest.mark.parametrize(("setting", "call"), TEMPERED.values(), ids=TEMPERED)
@pytest.mark.parametrize("value", [0.0, -0.1, torch.inf, torch.nan])
@pytest.mark.parametrize("learnt", [False, True])
def test_temperatures_are_positive(setting: str, call: Callable[..., torch.Tensor], value: float, learnt: bool) -> None:
    with pytest.raises(AlignscopeError, match=rf"^{setting}: {value:g}\. .*learn its logarithm\. \[E304\]$"):
        call(**{setting: torch.tensor(value) if learnt else value})


@pytest.mark.parametrize(("setting", "call"), TEMPERED.values(), ids=TEMPERED)
def test_temperatures_can_be_learnt(setting: str, call: Callable[..., torch.Tensor]) -> None:
    logarithm = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(call(**{setting: logarithm.exp()}), call(**{setting: logarithm.exp().item()}))
    assert torch.autograd.gradcheck(lambda t: call(**{setting: t.exp()}), logarithm)


def test_the_bias_of_siglip_can_be_learnt() -> None:
    bias = torch.tensor(-3.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b: o.siglip(A, B, bias=b), bias)


def test_an_absent_label_is_not_looked_at() -> None:
    labels, present = torch.tensor([0, 1, 0, 1, -9, 0]), torch.tensor([1, 1, 1, 1, 0, 0], dtype=torch.bool)
    torch.testing.assert_close(o.sup_con(A, labels, present=present), o.sup_con(A[:4], labels[:4]))


def test_classes_of_one_sample_have_nothing_to_contrast() -> None:
    z = A.clone().requires_grad_()
    loss = o.sup_con(z, torch.arange(6))
    loss.backward()
    assert loss == 0
    assert (z.grad == 0).all()


def test_the_teacher_gets_no_gradient() -> None:
    prediction, latent = A.clone().requires_grad_(), B.clone().requires_grad_()
    o.jepa(prediction, latent).backward()
    assert prediction.grad.abs().max() > 0
    assert latent.grad is None


def test_the_teacher_is_a_moving_average_of_the_student() -> None:
    student = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    teacher = o.EMATeacher(student, momentum=0.75)
    start = {name: value.clone() for name, value in student.named_parameters()}
    assert not any(p.requires_grad for p in teacher.parameters())
    assert all(p.requires_grad for p in student.parameters())
    slow = dict(start)
    for step in range(3):
        with torch.no_grad():
            for p in student.parameters():
                p.add_(normal(step, *p.shape).float())
        student(normal(step, 8, 3).float())  # moves the running statistics
        teacher.update(student)
        slow = {name: 0.75 * slow[name] + 0.25 * p.detach() for name, p in student.named_parameters()}
    for name, p in teacher.module.named_parameters():
        torch.testing.assert_close(p, slow[name])
    for mine, theirs in zip(teacher.module.buffers(), student.buffers(), strict=True):
        assert torch.equal(mine, theirs)
        assert mine.data_ptr() != theirs.data_ptr()
    assert not teacher(normal(9, 8, 3).float()).requires_grad


def test_a_teacher_without_momentum_is_the_student() -> None:
    student = nn.Linear(2, 2)
    teacher = o.EMATeacher(student, momentum=0.0)
    nn.init.ones_(student.weight)
    teacher.update(student)
    assert torch.equal(teacher.module.weight, student.weight)


def test_every_objective_is_documented() -> None:
    for name in {name.split(",")[0] for name in OBJECTIVES}:
        text = getattr(o, name).__doc__
        assert all(part in text for part in ("Source", "Parameters", "Returns", "Raises")), name
