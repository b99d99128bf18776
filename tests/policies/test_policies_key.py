"""What a policy's name means: read, printed, compared, and without what the policy does not depend on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import ConfigError
from core.policies import MODES, PolicyKey, Version
from core.policies.families import baseline_keys, evaluated_keys, names_at, policy_keys, rolled_out_keys
from core.policies.key import KEY_COLUMNS, has_phenotypes

BASES = st.sampled_from(["clinician", "random", "phenotype-0", "phenotype-11", "fused", "single-expert", "dqn"])
VERSIONS = st.one_of(st.sampled_from(["", "greedy", "soft"]), st.floats(0.01, 99).map(lambda t: f"t{t:.2f}"))


@given(BASES, VERSIONS)
def test_a_name_is_read_as_it_is_printed(base: str, version: str) -> None:
    key = PolicyKey(base).in_version(version)
    assert (key.base, key.version_name) == (base, version)
    assert key.policy == (f"{base}:{version}" if version else base)
    assert key.in_version("") == PolicyKey(base)


def test_versions_say_how_a_policy_is_sharpened() -> None:
    assert PolicyKey("fused").version == Version(None, None)
    assert PolicyKey("fused:greedy").version == Version(None, 0.0)
    assert PolicyKey("fused:soft").version == Version(None, 0.1)
    assert PolicyKey("phenotype-2:t0.2").version == Version(0.2, None)
    for unknown in ("fused:eager", "fused:t", "fused:t-1", "fused:tx"):
        with pytest.raises(ConfigError, match="versions are greedy, soft, or t and a temperature"):
            PolicyKey(unknown)


def test_arguments_in_another_order_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"mode '15.0' is not one of prospective, retrospective"):
        PolicyKey("fused", 3, "prospective", 15.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_what_a_policy_does_not_depend_on_is_left_out(mode: str) -> None:
    assert PolicyKey.at("random", 3, 2.0, mode) == PolicyKey("random")
    assert PolicyKey.at("dqn:greedy", 3, 2.0, mode) == PolicyKey("dqn:greedy")
    assert PolicyKey.at("phenotype-1", 3, 2.0, mode) == PolicyKey("phenotype-1", 3)
    assert PolicyKey.at("single-expert", 3, 2.0, mode) == PolicyKey("single-expert", 3, np.inf, mode)
    assert PolicyKey.at("fused", 3, np.inf, mode) == PolicyKey("single-expert", 3, np.inf, mode)
    assert PolicyKey.at("fused:soft", 3, np.inf, mode) == PolicyKey("fused:soft", 3, np.inf, mode)
    assert PolicyKey.at("no-encoder", 3, 2.0, mode) == PolicyKey("no-encoder", 3, 2.0, mode)


def test_a_version_leads_back_to_its_policy() -> None:
    assert PolicyKey("fused:soft", 3, np.inf, "prospective").plain == PolicyKey.at("fused", 3, np.inf, "prospective")
    assert PolicyKey("phenotype-1:t0.2", 3).plain == PolicyKey("phenotype-1", 3)
    key = PolicyKey("fused", 3, 2.0, "prospective")
    assert key.plain is key


def test_equal_policies_are_equal_though_nan_is_not() -> None:
    one, other = PolicyKey("random", 0, float("nan")), PolicyKey("random", 0, np.float64("nan"))
    assert one == other
    assert len({one, other, PolicyKey("random")}) == 1
    fused = PolicyKey("fused", 3, 2.0, "prospective")
    for change in ({"n_clusters": 4}, {"lambda_": 2.5}, {"mode": "retrospective"}, {"policy": "fused:soft"}):
        assert fused != replace(fused, **change)


def test_keys_survive_a_table() -> None:
    keys = evaluated_keys((2, 3), 3, 15.0, ("dqn", "no-encoder"))
    table = pd.DataFrame([key.row for key in keys])
    assert tuple(table.columns) == KEY_COLUMNS
    assert [PolicyKey.of_row(row) for row in table.to_dict("records")] == keys
    assert len(set(keys)) == len(keys)


def test_phenotypes_are_told_by_the_name() -> None:
    assert PolicyKey("phenotype-12:soft").expert == 12
    assert [PolicyKey(name).expert for name in ("fused", "phenotype-", "phenotype-x", "my-phenotype-1")] == [None] * 4
    made = ("phenotype-0", "fused:soft", "single-expert", "no-encoder")
    assert all(has_phenotypes(name) for name in made)
    assert not any(has_phenotypes(name) for name in ("clinician", "dqn", "rf-fqi"))


def test_lists_hold_each_policy_once_and_the_ablation_where_there_is_one() -> None:
    compared = policy_keys((2, 3), (0.0, 1.0, np.inf), MODES)
    assert len(compared) == len(set(compared)) == 3 + (2 + 3) + 2 * 2 * 3
    assert baseline_keys(("dqn",), 3, 1.0, MODES) == [PolicyKey("dqn")]
    assert [key.mode for key in baseline_keys(("dqn", "no-encoder"), 3, 1.0, MODES)] == ["", *MODES]
    assert names_at(2, ("dqn", "no-encoder"), 3)[-2:] == ["zero-drug", "dqn"]
    assert names_at(3, ("dqn", "no-encoder"), 3)[-1] == "no-encoder"
    rolled_out = rolled_out_keys((2, 3), 3, 15.0, (0.0, 1.0, 2.0, 15.0, 50.0), ("no-encoder",))
    assert all(key.acts_forward for key in rolled_out)
    assert PolicyKey("fused", 2, 15.0, "prospective") in rolled_out
    assert PolicyKey("no-encoder", 3, 15.0, "prospective") in rolled_out


def test_without_an_action_that_gives_nothing_there_is_no_policy_that_always_does() -> None:
    for keys in (policy_keys([3], [15.0], ["prospective"], False), evaluated_keys((2, 3), 3, 15.0, ("dqn",), False)):
        assert "zero-drug" not in {key.policy for key in keys}
    assert set(names_at(3, ("dqn",))) - set(names_at(3, ("dqn",), nothing=False)) == {"zero-drug"}
