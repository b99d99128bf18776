"""A session file is data only: what is written comes back, and anything else is refused with a sentence."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from core.base.errors import ArtifactError
from core.cohort import simulate_cohort
from core.icu.session_file import SavedSession, patient_keys, patient_positions, read_session

SAVED = SavedSession(
    run="default",
    data_hash="abc",
    n_clusters=4,
    lambda_=math.inf,
    mode="retrospective",
    patient="17",
    step=3,
    selected="early shock",
    selections={"early shock": ["17", "18"], "others": ["2"]},
    preset="standard",
    settings={"encoder.epochs": "5", "fusion.mode": '"prospective"'},
)


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(SAVED.to_bytes()), **changes}).encode()


def test_what_is_written_comes_back() -> None:
    assert read_session(SAVED.to_bytes()) == SAVED
    assert json.loads(SAVED.to_bytes())["selections"]["others"] == ["2"]  # readable as it stands


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not json", "no session file"),
        (b"\x80\x04K\x01.", "no session file"),
        (b"{}", "run: Field required"),
        (changed(format="pickle"), "format"),
        (changed(schema_version=2), "schema_version"),
        (changed(run=["a", "list"]), "run"),
        (changed(n_clusters=1), "n_clusters"),
        (changed(n_clusters="3"), "n_clusters"),
        (changed(lambda_=-1), "lambda_"),
        (changed(lambda_="NaN"), "lambda_"),
        (changed(mode="psychic"), "mode"),
        (changed(surprise=1), "surprise: Extra inputs"),
        (changed(selections={"a": [1, 2]}), "selections.a.0"),
        (changed(preset="nonsense"), "settings in this session file cannot be used"),
        (changed(preset="../../secret"), "settings in this session file cannot be used"),
        (changed(settings={"encoder.epochs": "-5"}), "settings in this session file cannot be used"),
        (changed(settings={"encoder.nonsense": "5"}), "settings in this session file cannot be used"),
        (changed(settings={"run.encoder_folder": '"/etc"'}), "may not set run.encoder_folder"),
    ],
)
def test_anything_else_is_refused_in_words(content: bytes, says: str) -> None:
    with pytest.raises(ArtifactError, match=says):
        read_session(content)


def test_patients_are_found_by_their_keys_in_any_order() -> None:
    cohort, _ = simulate_cohort("mimic-iv", 20, seed=1)
    keys = patient_keys(cohort, np.array([7, 2]))
    assert patient_positions(cohort, keys).tolist() == [2, 7]
    assert patient_positions(cohort, []).tolist() == []
    with pytest.raises(ArtifactError, match="no patient nobody"):
        patient_positions(cohort, ["nobody"])
