"""What people type: misspelt keywords and attributes are answered with what is meant, and numbers serve as keys."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

import alignscope
from alignscope._lib.checks import one_of
from alignscope._lib.names import closest
from alignscope.auditing.audit import Audit
from alignscope.joining import match
from audit_helpers import X1, X2, Y1

KEYWORDS: dict[str, tuple[Callable[..., object], str, str]] = {
    "audit, one target": (alignscope.audit, "y", "audit() got an unexpected keyword argument 'y'. Did you mean 'y1'"),
    "audit, a letter": (alignscope.audit, "component", "Did you mean 'components'?"),
    "audit, of the command line": (alignscope.audit, "latent", "Did you mean 'components'?"),
    "audit, like another word": (alignscope.audit, "latents", "Did you mean 'components'?"),
    "audit, of the papers": (alignscope.audit, "K", "Did you mean 'components'?"),
    "audit, one for many": (alignscope.audit, "group", "Did you mean 'groups'?"),
    "audit, a name for both": (alignscope.audit, "names", "Did you mean 'name1'?"),
    "audit, lambda is Python's": (alignscope.audit, "lam", "Did you mean 'lambdas'?"),
    "audit, unlike any": (alignscope.audit, "xyzzy", "It takes x1, x2, y1, y2, groups,"),
    "Pair.of": (alignscope.Pair.of, "labels", "Pair.of() got an unexpected keyword argument 'labels'. Did"),
    "join": (alignscope.join, "id1", "match() got an unexpected keyword argument 'id1'. Did you mean 'ids1'?"),
    "match": (match, "leest", "Did you mean 'least'?"),
    "the estimator": (alignscope.AlignedReducedRank, "componnts", "Did you mean 'components'?"),
    "run_study": (alignscope.run_study, "worker", "Did you mean 'workers'?"),
    "run_bench": (alignscope.run_bench, "method", "Did you mean 'methods'?"),
    "run_paper": (alignscope.run_paper, "scales", "Did you mean 'scale'?"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYWORDS)
def test_a_misspelt_keyword_is_answered(name: str) -> None:
    function, keyword, said = KEYWORDS[name]
    given: dict[str, Any] = {keyword: Y1}
    with pytest.raises(TypeError, match=re.escape(said)):
        function(X1, X2, **given)


WRONG = {
    "too many": (lambda: alignscope.matrix(X1, X2, Y1), r"too many positional arguments\. Call it as matrix\(xs, y, "),  # type: ignore[call-arg]
    "too few": (
        lambda: alignscope.compare(X1, X2),
        r"missing.* 'y'\. Call it as compare\(before, after, y, \.\.\.\)\.",
    ),  # type: ignore[call-arg]
}


@pytest.mark.parametrize(("call", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_call_is_answered_with_how_it_is_made(call: Callable[[], object], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        call()


def test_of_equals_the_first_is_meant_and_what_is_unlike_is_not() -> None:
    assert closest("x", ["x1", "x2"]) == "x1"
    assert closest("x", ["gauge", "y1"]) is None
    assert closest("x", []) is None


@pytest.mark.parametrize(("name", "meant"), [("laod", "load"), ("Audit", "audit"), ("run_paer", "run_paper")])
def test_a_misspelt_name_of_the_package_is_answered(name: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=rf"has no attribute '{name}'\. Did you mean '{meant}'\?"):
        getattr(alignscope, name)


def test_a_misspelt_choice_is_answered(audited: Audit) -> None:
    with pytest.raises(alignscope.AlignscopeError, match=r"'fited' is not known\. Did you mean fitted\? Use one of"):
        one_of("gauge", "fited", ("fitted", "whitened"))
    with pytest.raises(alignscope.AlignscopeError, match=r"'sigmas' is not known\. Did you mean sigma\?"):
        audited.plot("sigmas")
    with pytest.raises(alignscope.AlignscopeError, match=r"folds: 3 is not known\. Use one of 1, 2\."):
        one_of("folds", 3, (1, 2))


@pytest.fixture(scope="module")
def audited() -> Audit:
    return alignscope.audit(X1, X2, Y1, lambdas=[1, 2])


def test_a_number_serves_as_a_key(audited: Audit) -> None:
    back = Audit.from_json(audited.to_json())
    for found in (audited, back, copy.copy(audited), pickle.loads(pickle.dumps(audited))):
        for field in ("directions", "modalities", "targets"):
            assert getattr(found, field)[1] is getattr(found, field)["1"]
        assert found.sigma.held_out[12] == found.sigma.held_out["12"]  # type: ignore[index]
    with pytest.raises(KeyError, match="3 is not among '1', '2'"):
        audited.directions[3]  # type: ignore[index]
    with pytest.raises(KeyError, match="'optical' is not among '1', '2'"):
        audited.directions["optical"]
