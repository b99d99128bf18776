"""What every study's `evaluate` says of a policy against those who treated: one form, one set of words."""

from __future__ import annotations

from typing import Any

import pytest

from core.base.statistics import Z95
from core.cli.studies import load_studies
from core.runs.study import study_of

STUDIES = [("icu", "tiny_run", "clinician", "clinicians"), ("registry", "tiny_registry", "observed", "experts")]


@pytest.fixture(scope="module", params=STUDIES, ids=[name for name, *_ in STUDIES])
def evaluated(request: pytest.FixtureRequest) -> tuple[dict[str, Any], tuple[str, ...], str, str]:
    """Document and lines of a small run on its own data, the policy of those who treated, and what they are called."""
    kind, folder, treated, who = request.param
    load_studies()
    study = study_of(kind)
    view = study.open(request.getfixturevalue(folder))
    found = study.evaluate(view, view.cohort, {})
    return found.document.model_dump(mode="json"), found.lines, treated, who


def test_every_policy_has_its_difference_with_interval_error_and_grade(evaluated) -> None:
    document, lines, *_ = evaluated
    for name, policy in document["policies"].items():
        assert set(policy["mix"]) == {"value", "low", "high"}, name
        difference = policy["difference"]
        assert set(difference) == {"value", "low", "high", "se"}
        assert policy["grade"] in ("supported", "weak", "not supported")
        assert (policy["grade"] == "supported") == (policy["grade_reasons"] == "")
        assert difference["high"] - difference["low"] == pytest.approx(2 * Z95 * difference["se"], abs=1e-9)
        assert policy["mix"]["low"] <= policy["mix"]["value"] <= policy["mix"]["high"]
        told = [line for line in lines if line.startswith(name)]
        assert any(f"{difference['value']:+.3f} [" in line for line in told), f"{name}: printed, too"


def test_those_who_treated_differ_from_themselves_by_nothing(evaluated) -> None:
    document, _, treated, _ = evaluated
    own = document["policies"][treated]
    assert (own["difference"]["value"], own["difference"]["se"]) == (0, 0)
    for policy in document["policies"].values():
        assert policy["mix"]["value"] - own["mix"]["value"] == pytest.approx(policy["difference"]["value"], abs=1e-9)


def test_what_is_recommended_is_a_dial_or_those_who_treated(evaluated) -> None:
    document, lines, _, who = evaluated
    advice = document["advice"]
    assert document["recommended"] == advice["recommended"]
    follows = advice["text"] == f"Follow what {who} do: the records do not show better."
    assert follows == (document["recommended"] == who)
    assert document["recommended"] == who or " at " in document["recommended"]
    assert not advice["claims"] or document["recommended"] != who
    assert advice["claim_z"] > advice["advise_z"] > 0
    assert advice["text"] in lines
