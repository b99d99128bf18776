"""What is kept is listed whole, deleted from every copy, named where rows are left, and bounded by quotas."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest

from core.access.acts import Acting
from core.access.chain import check, lines
from core.access.person import Person, Role
from core.access.settings import Quota, Retention, ServerSettings
from core.base.errors import AccessError, PolicyError, RunError
from core.base.files import write_json
from core.cli.main import main
from core.icu.study import ICU
from core.icu.verdicts import give_verdict
from core.keep.holdings import MEGABYTE, holdings, used, with_rows_of
from core.runs.added import OWN
from core.runs.integrity import BESIDE
from core.runs.lock import hold
from core.runs.manifest import read_manifest
from core.runs.status import list_runs
from tests.manifests import edit_manifest

ANN, BEN = "a" * 32, "b" * 32
COHORT = "0123456789abcdef"


def person(owner: str, role: Role = Role.RESEARCHER) -> Person:
    return Person(owner, role, f"{owner[:1]}@clinic.test")


@pytest.fixture
def data(tmp_path: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ann's cohort, the run she trained on it, Ben's copy of the cohort and his verdict on her run, and a link."""
    monkeypatch.setenv("PHENOPOLICY_DATA", str(tmp_path))
    edit_manifest(
        Path(shutil.copytree(tiny_run, tmp_path / "runs" / "anns")), owner=ANN, data_hash=COHORT, name="Ann's"
    )
    for owner in (ANN, BEN):
        stored = tmp_path / "uploads" / owner / f"{COHORT}.parquet"
        stored.parent.mkdir(parents=True)
        pd.DataFrame({"traj": ["p"]}).to_parquet(stored)
        write_json(stored.with_suffix(".json"), {"label": f"of {owner[:1]}", "created": "2026-11-01T00:00:00+00:00"})
    (tmp_path / "uploads" / ANN / "studies").mkdir()
    (tmp_path / "uploads" / ANN / "studies" / "mine.toml").write_text("x", encoding="utf-8")
    give_verdict(
        tmp_path / "uploads" / BEN / "verdicts" / f"anns-{COHORT}.parquet",
        patient="p", step=1, verdict="follow", note="", recommended="0", given="0", n_clusters=3, lambda_=1.0,
    )  # fmt: skip
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / ("f" * 32)).write_text("1,2,3", encoding="utf-8")
    return tmp_path


def acting(root: Path, who: Person, **settings: object) -> Acting:
    return Acting(who, root, ServerSettings(**settings))  # type: ignore[arg-type]


def store(who: Acting, size: int) -> None:
    with who.storing(who.root / "uploads" / who.person.owner / "studies", size, "cohort x"):
        pass


def told(root: Path) -> list[tuple[str, str, str]]:
    trail = acting(root, person(ANN)).trail
    assert check(trail).broken == ()
    return [(found.line.what, found.line.run, found.line.detail) for found in lines(trail) if found.line]


def test_everything_is_listed_with_its_owner_size_and_data(data: Path) -> None:
    found = {(one.kind, one.owner[:1], one.data_hash) for one in holdings(data)}
    assert found == {
        ("run", "a", COHORT),
        ("data", "a", COHORT),
        ("data", "b", COHORT),
        ("study", "a", ""),
        ("verdicts", "b", COHORT),
        ("link", "", ""),
    }
    everything = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    assert sum(one.size for one in holdings(data)) == everything
    assert {one.kind for one in with_rows_of(data, COHORT)} == {"run", "data", "verdicts"}
    assert with_rows_of(data, "") == []


def test_one_deletes_what_is_ones_own_and_an_administrator_anything(data: Path) -> None:
    (run,) = (one for one in holdings(data) if one.kind == "run")
    with pytest.raises(AccessError, match="is not yours"):
        acting(data, person(BEN)).delete(run)
    with pytest.raises(AccessError, match="you are a viewer"):
        acting(data, person(ANN, Role.VIEWER)).delete(run)
    with hold(run.path), pytest.raises(RunError, match="is at work; cancel it"):
        acting(data, person(ANN)).delete(run)
    acting(data, person(ANN)).delete(run)
    assert not list((data / "runs").rglob("*.*"))
    assert list_runs(ICU.folder, ANN) == []
    for one in holdings(data):
        acting(data, person("c" * 32, Role.ADMIN)).delete(one)
    assert holdings(data) == []
    left = [path for path in data.rglob("*") if path.is_file() and path.parent.name != "audit"]
    assert {path.name for path in left if path.stat().st_size} <= {".deleted"}
    assert {path.name for path in left} <= {".deleted", ".lock"}
    assert [what for what, _, _ in told(data)] == ["refused"] * 3 + ["delete"] * 6


def test_the_verb_says_what_still_holds_rows_and_deletes_it_when_asked(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["delete", "data", COHORT]) == 0
    said = capsys.readouterr().out
    assert "nothing was deleted" in said
    assert len(holdings(data)) == 6
    assert main(["delete", "data", COHORT, "--yes"]) == 0
    said = capsys.readouterr().out
    assert "still holds rows of these patients: run 'Ann's'" in said
    assert [one.kind for one in with_rows_of(data, COHORT)] == ["run"], "verdicts hold keys of patients"
    assert main(["delete", "data", COHORT, "--yes"]) == 2
    assert "but in run 'Ann's'; add --runs" in capsys.readouterr().err
    assert main(["delete", "run", "anns", "--yes"]) == 0
    assert main(["delete", "data", COHORT, "--runs", "--yes"]) == 2
    assert "there is no data" in capsys.readouterr().err
    assert with_rows_of(data, COHORT) == []


def test_data_and_their_runs_go_together_where_asked(data: Path) -> None:
    assert main(["delete", "data", COHORT, "--runs", "--yes"]) == 0
    assert {one.kind for one in holdings(data)} == {"study", "link"}
    assert not any(b"traj" in path.read_bytes() for path in data.rglob("*.parquet"))


def test_runs_on_data_that_nobody_keeps_any_more_go_by_their_hash(data: Path, capsys: pytest.CaptureFixture) -> None:
    for one in holdings(data):
        if one.kind == "data":
            one.path.unlink()
    assert main(["delete", "data", COHORT]) == 0
    assert "would delete: verdicts" in (said := capsys.readouterr().out)
    assert "still holds rows of these patients: run 'Ann's'" in said
    assert main(["delete", "data", COHORT, "--runs", "--yes"]) == 0
    assert with_rows_of(data, COHORT) == []


def test_a_name_of_several_things_is_refused_and_a_path_names_one(data: Path, capsys: pytest.CaptureFixture) -> None:
    shutil.copytree(data / "runs" / "anns", data / "registry" / "anns")
    assert main(["delete", "run", "anns", "--yes"]) == 2
    assert "names 2 things of this kind; give the path of one: " in (said := capsys.readouterr().err)
    assert {"runs/anns", "registry/anns"} <= set(said.rstrip(".\n").replace(",", "").split())
    assert main(["delete", "run", "registry/anns", "--yes"]) == 0
    assert [one.path for one in holdings(data) if one.kind == "run"] == [data / "runs" / "anns"]


def test_everything_of_one_owner_goes_by_as_much_of_it_as_tells_it_apart(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alike = f"{ANN[:9]}{'c' * 23}"
    shutil.copytree(data / "uploads" / ANN, data / "uploads" / alike)
    for name, says in ((ANN[:9], "2 owners begin with"), ("a" * 7, "at least 8"), ("d" * 8, "no owner begins")):
        assert main(["delete", "owner", name, "--yes"]) == 2
        assert says in capsys.readouterr().err
    assert main(["delete", "owner", ANN[:10], "--yes"]) == 0
    assert {one.owner for one in holdings(data)} == {alike, BEN, ""}


def test_the_audit_tells_what_was_done_from_what_was_refused_or_failed(
    data: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path_factory.mktemp("saved") / "kept.tar"
    there.write_bytes(b"")
    assert main(["backup", str(there)]) == 2
    with hold(data / "runs" / "anns"):
        assert main(["delete", "run", "anns", "--yes"]) == 2
    (run, *_) = holdings(data)
    monkeypatch.setattr("core.access.acts.delete", full_disk)
    with pytest.raises(OSError, match="disk"):
        acting(data, person(ANN)).delete(run)
    with pytest.raises(PolicyError), acting(data, person(ANN)).storing(data / "uploads" / ANN, 1, "policy mine"):
        raise PolicyError("stay 'key-7' has 0.4")
    assert main(["backup", str(there.with_name("other.tar"))]) == 0
    (backup, at_work, *failed, upload, unusable, done) = told(data)
    assert upload == ("upload", "", "policy mine")
    assert unusable == ("failed", "", "upload policy mine: what was given cannot be used"), "no patient is named"
    assert (backup[0], "is there already" in backup[2]) == ("refused", True)
    assert (at_work[:2], "is at work" in at_work[2]) == (("refused", "anns"), True)
    assert [line[:2] for line in failed] == [("delete", "anns"), ("failed", "anns")]
    assert failed[1][2] == "delete run anns: the disk is full"
    assert done == ("backup", "", "other.tar")


def full_disk(*_: object) -> None:
    raise OSError("the disk is full")


def test_what_is_past_its_days_goes_and_nothing_else(data: Path) -> None:
    assert acting(data, person("")).expire() == [], "kept for ever unless told"
    for one in holdings(data):
        if one.kind == "link":
            os.utime(one.path, (time.time() - 40 * 86400,) * 2)
    edit_manifest(
        Path(shutil.copytree(data / "runs" / "anns", data / "runs" / "shared")), owner="", created="2020-01-01"
    )
    operator = Person("", Role.ADMIN, "clock")
    gone = acting(data, operator, retention=Retention(links=30, uploads=3, runs=1e6)).expire()
    assert {one.kind for one in gone} == {"link", "data"}, "an upload is as old as it says, a link as its file"
    gone = acting(data, operator, retention=Retention(runs=1e-6)).expire()
    assert [one.path.name for one in gone] == ["anns"], "a run of nobody stays"


def test_quotas_are_asked_before_an_upload_and_before_a_run(data: Path) -> None:
    size, runs = used(data, ANN)
    assert runs == 1
    ann = person(ANN)
    exact = Quota(megabytes=(size + 100) / MEGABYTE)
    store(acting(data, ann, quota=exact), 100)
    with pytest.raises(AccessError, match="more would pass"):
        store(acting(data, ann, quota=exact), 101)
    with pytest.raises(AccessError, match="you keep 1 runs, and each person may keep 1"):
        acting(data, ann, quota=Quota(runs=1)).start(
            ICU, data / "uploads" / ANN / f"{COHORT}.parquet", data / "runs" / "next"
        )
    assert not (data / "runs" / "next").exists()
    store(acting(data, person(BEN), quota=exact), 100)
    assert [what for what, _, _ in told(data)] == ["upload", "refused", "refused", "upload"]


def test_a_policy_that_a_visitor_adds_to_anothers_run_is_the_visitors(data: Path) -> None:
    run, before = data / "runs" / "anns", used(data, ANN)
    mine = run / BESIDE / f"{OWN}{BEN}" / "mine"
    mine.mkdir(parents=True)
    (mine / "policy.npy").write_bytes(bytes(5000))
    own = used(data, BEN)
    assert used(data, ANN) == before
    (policy,) = (one for one in holdings(data) if one.kind == "policy")
    assert (policy.owner, policy.name, policy.size, policy.data_hash) == (BEN, "mine on Ann's", 5000, COHORT)
    with pytest.raises(AccessError, match="is for its owner"):
        acting(data, person(ANN)).delete(policy)
    with pytest.raises(AccessError, match="MB"):
        store(acting(data, person(BEN), quota=Quota(megabytes=own[0] / MEGABYTE)), 1)
    acting(data, person(BEN)).delete(policy)
    assert not mine.exists()
    assert read_manifest(run).name == "Ann's"
    assert used(data, BEN)[0] == own[0] - 5000

    mine.mkdir()
    everything = holdings(data)
    for one in everything:
        acting(data, person("c" * 32, Role.ADMIN)).delete(one)
    assert holdings(data) == [], "a policy went with its run, and brought no folder back"


def test_a_run_is_shared_on_purpose_and_taken_back(data: Path) -> None:
    folder = data / "runs" / "anns"
    assert list_runs(ICU.folder, BEN) == []
    with pytest.raises(AccessError, match="is not yours"):
        acting(data, person(BEN)).share(folder, True)
    acting(data, person(ANN)).share(folder, True)
    assert [(run.name, run.shared) for run in list_runs(ICU.folder, BEN)] == [("Ann's", True)]
    acting(data, person(ANN)).share(folder, False)
    assert list_runs(ICU.folder, BEN) == []
    assert read_manifest(folder).owner == ANN
