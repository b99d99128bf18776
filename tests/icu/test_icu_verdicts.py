"""Verdicts: one a step, the last one counts, nonsense is refused and changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import ConfigError
from core.icu.verdicts import give_verdict, load_verdicts


def verdict(**changed: Any) -> dict[str, Any]:
    given = {
        "patient": "7",
        "step": 2,
        "verdict": "modify",
        "note": "",
        "recommended": "no heparin",
        "given": "0–3,600",
    }
    return {**given, "n_clusters": 3, "lambda_": 15.0, **changed}


def test_the_last_verdict_on_a_step_counts(tmp_path: Path) -> None:
    path = tmp_path / "someone" / "run.parquet"
    assert load_verdicts(path).empty
    give_verdict(path, **verdict())
    give_verdict(path, **verdict(step=3, verdict="follow"))
    give_verdict(path, **verdict(patient="8", verdict="delay"))
    give_verdict(path, **verdict(verdict="reject", note="platelets fall"))
    stored = load_verdicts(path)
    assert len(stored) == 3
    last = stored[(stored["patient"] == "7") & (stored["step"] == 2)].iloc[0]
    assert (last["verdict"], last["note"]) == ("reject", "platelets fall")


@pytest.mark.parametrize(
    ("changed", "words"), [({"verdict": "obey"}, "not one of follow"), ({"note": "x" * 501}, "501 characters")]
)
def test_what_is_no_verdict_is_refused_and_nothing_is_lost(tmp_path: Path, changed: dict, words: str) -> None:
    path = tmp_path / "run.parquet"
    give_verdict(path, **verdict())
    with pytest.raises(ConfigError, match=words):
        give_verdict(path, **verdict(**changed))
    assert list(load_verdicts(path)["verdict"]) == ["modify"]


def test_verdicts_of_two_tabs_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    with ThreadPoolExecutor(2) as tabs:
        for kept in [tabs.submit(give_verdict, path, **verdict(step=step)) for step in range(20)]:
            kept.result()
    assert sorted(load_verdicts(path)["step"]) == list(range(20))
