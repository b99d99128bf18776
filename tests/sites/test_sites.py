"""A run leaves as a bundle, aggregates come back: nothing of a patient in either, and sites pool as by hand."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.base.errors import ArtifactError, CohortError, ConfigError, RunError
from core.base.judging import JUDGING
from core.cli.main import main
from core.cohort import Cohort, save_cohort, simulate_cohort
from core.icu.ask.judge import judge_policies
from core.icu.foreign import ForeignStays
from core.icu.view import RunView
from core.policies.key import PolicyKey
from core.sites import SiteResult, opened, pool, read_cohort, read_site, validate, write_bundle
from core.sites.pool import pooled_values
from core.sites.validate import parse_site, suppressed
from tests.manifests import edit_manifest


@pytest.fixture(scope="module")
def bundle(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "run.zip"
    write_bundle(RunView(tiny_run), path)
    return path


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    found, _ = simulate_cohort("mimic-iv", 90, seed=21)
    return replace(found, frame=found.frame.assign(traj="secret-" + found.frame["traj"].astype(str)))


@pytest.fixture(scope="module")
def site(bundle: Path, cohort: Cohort) -> SiteResult:
    return validate(bundle, cohort, "North")


def test_a_bundle_holds_no_patient_s_row(bundle: Path, tiny_run: Path) -> None:
    view = RunView(tiny_run)
    with zipfile.ZipFile(bundle) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    rows = {row.astype(np.float32).tobytes() for row in view.trajectories.states[view.trajectories.mask]}
    rows |= {row.tobytes() for row in view.cohort.states}
    for content in contents.values():
        assert not any(row in content for row in rows)
    assert json.loads(contents["manifest.json"])["name"] == "bundle"


def test_the_bundle_acts_as_the_run_does(bundle: Path, tiny_run: Path, cohort: Cohort) -> None:
    run, key = RunView(tiny_run), PolicyKey("fused", 3, 15.0, "prospective")
    with opened(bundle) as (view, _):
        np.testing.assert_array_equal(
            ForeignStays(view, cohort, "own").probs(key), ForeignStays(run, cohort).probs(key)
        )


MAPPING = """
[columns]
Platelets = "plt"
[codes.Gender]
w = 1
m = 0
"""


def test_the_mapping_of_the_run_s_file_travels_in_the_bundle(tiny_run: Path, cohort: Cohort, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    write_bundle(RunView(edit_manifest(run, mapping=MAPPING)), tmp_path / "mapped.zip")
    with zipfile.ZipFile(tmp_path / "mapped.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["mapping"] == MAPPING
    plain = cohort.frame.astype({"traj": str})
    raw = plain.assign(Gender=plain["Gender"].map({1.0: "w", 0.0: "m"})).rename(columns={"Platelets": "plt"})
    for name, frame in (("raw", raw), ("plain", plain)):  # a file that is in the study's form needs no mapping
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        read = read_cohort(tmp_path / "mapped.zip", tmp_path / f"{name}.csv")
        np.testing.assert_allclose(read.states, cohort.states, rtol=1e-6)
        assert read.study == RunView(run).study
    own = tmp_path / "own.toml"
    own.write_text(MAPPING.replace("plt", "thrombocytes"))
    raw.rename(columns={"plt": "thrombocytes"}).to_csv(tmp_path / "other.csv", index=False)
    read = read_cohort(tmp_path / "mapped.zip", tmp_path / "other.csv", own)  # a site's own mapping wins
    np.testing.assert_allclose(read.states, cohort.states, rtol=1e-6)
    with pytest.raises(CohortError):
        read_cohort(tmp_path / "mapped.zip", tmp_path / "other.csv")


def test_a_site_s_result_is_what_the_run_says_of_the_cohort(site: SiteResult, tiny_run: Path, cohort: Cohort) -> None:
    run = RunView(tiny_run)
    key = PolicyKey("fused", run.n_clusters, run.config.fusion.lambda_, "prospective")
    stays = ForeignStays(run, cohort, "own")
    expected = judge_policies(stays, run.study, run.n_clusters, [key], np.arange(cohort.n_patients), None)[0].difference
    found = next(one for one in site.policies if one.policy == "fused")
    assert found.difference == pytest.approx(expected.value, rel=1e-6)
    assert found.se == pytest.approx(expected.se, rel=1e-6)


def test_what_leaves_a_site_has_no_key_and_no_small_count(site: SiteResult, bundle: Path, cohort: Cohort) -> None:
    text = site.model_dump_json()
    assert "secret" not in text
    assert all(count is None or count == 0 or count >= 11 for count in (*site.phenotypes, site.deaths))
    few = cohort.frame["traj"].isin(cohort.patients[:10])
    with pytest.raises(RunError, match="10 stays are too few to leave a site; 11 are the fewest"):
        validate(bundle, replace(cohort, frame=cohort.frame[few]), "North")


def test_one_small_count_takes_the_next_with_it() -> None:
    assert suppressed([40, 5, 30]) == [40, None, None]
    assert suppressed([4, 5, 30]) == [None, None, 30]
    assert suppressed([40, 0, 30]) == [40, 0, 30]
    assert suppressed([10, 90]) == [None, None]
    assert suppressed([11, 90]) == [11, 90]


def test_a_changed_or_foreign_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    for words, changed in {
        "was changed: scaler.json is not the file": contents | {"scaler.json": b"{}"},
        "does not hold what a bundle holds": contents | {"../escape.py": b"x"},
    }.items():
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
            for name, content in changed.items():
                archive.writestr(name, content)
        with pytest.raises(ArtifactError, match=words), opened(tmp_path / "bad.zip"):
            pass
    (tmp_path / "bad.zip").write_bytes(b"PK no")
    with pytest.raises(ArtifactError, match="is no bundle"), opened(tmp_path / "bad.zip"):
        pass


def test_pooling_by_hand() -> None:
    value, error, stays = np.array([1.0, 3.0]), np.array([0.5, 0.5]), np.array([100, 300])
    found = pooled_values("p", value, error, stays)
    assert found.all_stays.value == pytest.approx(2.5)
    assert found.all_stays.se == pytest.approx(np.sqrt(0.25**2 * 0.25 + 0.75**2 * 0.25))
    # w = 4, 4; Q = 4 + 4 = 8, df = 1, C = 8 - 32/8 = 4, tau^2 = 7/4
    assert found.tau == pytest.approx(np.sqrt(7 / 4))
    assert found.i2 == pytest.approx(7 / 8)
    assert found.random_effects.value == pytest.approx(2.0)
    assert found.random_effects.se == pytest.approx(1.0)  # 1 / sqrt(2 / (1/4 + 7/4))
    same = pooled_values("p", np.array([2.0, 2.0]), error, stays)
    assert (same.tau, same.i2, same.random_effects.value) == (0.0, 0.0, 2.0)


def test_sites_pool_to_what_one_analysis_of_all_stays_finds(bundle: Path, tiny_run: Path) -> None:
    """Three sites of one world. What sums over stays and steps pools to the very numbers of all stays in one place;
    differences, which each site's own judges make, are two estimates of one number from the same stays."""
    whole, _ = simulate_cohort("mimic-iv", 360, seed=31)
    sites = []
    for number in range(3):
        chosen = whole.frame["traj"].isin(whole.patients[number::3])
        sites.append(
            validate(bundle, replace(whole, frame=whole.frame[chosen].reset_index(drop=True)), f"Site {number}")
        )
    all_stays, pooled = validate(bundle, whole, "Central"), pool(sites)
    assert (pooled.stays, pooled.steps, pooled.deaths) == (all_stays.stays, all_stays.steps, all_stays.deaths)
    phenotypes = np.array([site.phenotypes for site in sites])
    assert phenotypes.sum(axis=0).tolist() == all_stays.phenotypes
    central = {one.policy: one for one in all_stays.policies}
    for one in pooled.policies:
        np.testing.assert_allclose(one.dose_shares, central[one.policy].dose_shares, rtol=1e-6)  # float32 networks
        found, whole_found = one.random_effects, central[one.policy]
        assert abs(found.value - whole_found.difference) < 2 * np.hypot(found.se, whole_found.se)
    with pytest.raises(ConfigError, match="a site comes twice"):
        pool([sites[0], sites[0]])
    with pytest.raises(ArtifactError, match="different bundles"):
        pool([sites[0], sites[1].model_copy(update={"bundle": "other"})])
    with pytest.raises(ArtifactError, match=f"judged differently, .* by version {JUDGING} .* before it had a number"):
        pool([sites[0], sites[1].model_copy(update={"judging": None})])
    file = sites[0].model_dump_json().encode()
    assert parse_site(file, "s.json") == sites[0]
    with pytest.raises(ArtifactError, match=r"s\.json is no site's result"):
        parse_site(file.replace(b'"fused"', b'"<a href=http://a.test>fused</a>"'), "s.json")


def test_bundle_validate_pool_on_the_command_line(
    tiny_run: Path, cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, out = str(tmp_path / "b.zip"), str(tmp_path / "pool.html")
    assert main(["bundle", str(tiny_run), "--out", packed]) == 0
    results = []
    for number, site in enumerate(("North", "South")):
        file, result = tmp_path / f"{site}.parquet", tmp_path / f"{site}.json"
        save_cohort(simulate_cohort("mimic-iv", 40, seed=number)[0], file)
        assert main(["validate", packed, str(file), "--site", site, "--out", str(result)]) == 0
        results.append(str(result))
    assert main(["pool", *results, "--out", out]) == 0
    assert "fused" in capsys.readouterr().out
    page = Path(out).read_text()
    assert all(name in page for name in ("North", "South", "All stays", "A further site"))
    assert [one["policy"] for one in json.loads((tmp_path / "pool.json").read_text())["policies"]]
    assert read_site(Path(results[0])).site == "North"
    assert main(["pool", results[0], "--out", out]) == 2
    assert "two sites at least" in capsys.readouterr().err
