"""The audit: what is written is told; what is changed, lost, put in or set back is named; rotation breaks nothing."""

from __future__ import annotations

import json
import multiprocessing
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.access.chain import check, lines
from core.access.person import Person, Role
from core.access.settings import Audit
from core.access.trail import HEAD, NOTHING, Trail
from core.cli.main import main

ANN = Person("a" * 32, Role.RESEARCHER, "ann@clinic.test")
LINES = 12


def written(root: Path, n: int = LINES, **rules: float | str) -> Trail:
    trail = Trail(root, Audit.build(rules))
    for i in range(n):
        trail.add(ANN, "patient opened", run="r", patient=f"key-{i}")
    return trail


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Trail:
    """Twelve lines in four files; read only."""
    return written(tmp_path_factory.mktemp("sound"), megabytes=0.0008)


def copied(trail: Trail, root: Path) -> Trail:
    for path in trail.folder.iterdir():
        target = root / "audit" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return Trail(root, trail.settings)


def test_a_line_says_who_what_where_and_no_patients_key(sound: Trail) -> None:
    texts = b"".join(path.read_bytes() for path in sound.files()).decode()
    first = json.loads(texts.splitlines()[0])
    assert (first["n"], first["who"], first["name"], first["role"]) == (1, ANN.owner, ANN.name, "researcher")
    assert (first["what"], first["run"], first["before"]) == ("patient opened", "r", NOTHING)
    assert "key-" not in texts
    assert first["patient"] == sound.named("key-0") != sound.named("key-1")
    assert len(sound.files()) > 3
    assert check(sound).broken == check(sound).notes == ()


def test_patients_are_named_as_the_settings_say(tmp_path: Path) -> None:
    told = {}
    for patients in ("plain", "none", "hashed"):
        (found,) = lines(written(tmp_path / patients, 1, patients=patients))
        assert found.line is not None
        told[patients] = found.line.patient
    assert (told["plain"], told["none"], len(told["hashed"])) == ("key-0", "", 32)
    other = written(tmp_path / "other", 1)
    assert other.named("key-0") != told["hashed"], "another server's key gives another hash"


@settings(max_examples=60)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_flipped_bit_is_named(sound: Trail, tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    trail = copied(sound, tmp_path_factory.mktemp("flipped"))
    files = trail.files()
    path = files[place % len(files)]
    data = bytearray(path.read_bytes())
    data[(place // len(files)) % len(data)] ^= 1 << bit
    path.write_bytes(data)
    assert check(trail).broken


@pytest.mark.parametrize("row", [0, 1, 5, 10])
def test_a_changed_line_is_named_by_its_number(sound: Trail, tmp_path: Path, row: int) -> None:
    trail = copied(sound, tmp_path)
    found = list(lines(trail))[row]
    path, old = found.path, found.path.read_bytes()
    rows = old.splitlines(keepends=True)
    rows[found.row - 1] = rows[found.row - 1].replace(b"ann@", b"eve@")
    path.write_bytes(b"".join(rows))
    assert check(trail).broken == (f"line {row + 1} ({path.name}, row {found.row}) is not as it was written",)


def test_lines_taken_out_or_exchanged_are_named_wherever_they_stood(tmp_path: Path) -> None:
    trail = written(tmp_path, 8)
    (path,) = trail.files()
    rows = path.read_bytes().splitlines(keepends=True)
    for kept, says in (
        (rows[2:], "lines before line 3"),
        (rows[:3] + rows[5:], "lines 4 to 5 are missing before line 6"),
        (rows[:6], "lines 7 to 8 are missing at the end"),
        ([rows[1], rows[0], *rows[2:]], "stands behind line 2"),
        ([], "lines 1 to 8 are missing at the end"),
    ):
        path.write_bytes(b"".join(kept))
        assert any(says in sentence for sentence in check(trail).broken), (says, check(trail).broken)


def test_lines_missing_at_the_end_are_still_told_after_the_next_line(tmp_path: Path) -> None:
    trail = written(tmp_path, 8)
    (path,) = trail.files()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    trail.add(ANN, "export")
    assert check(trail).broken == (f"lines 6 to 8 are missing before line 9 ({path.name}, row 6)",)


def test_a_line_that_a_kill_cut_short_is_said_and_the_chain_goes_on(tmp_path: Path) -> None:
    trail = written(tmp_path, 4)
    (path,) = trail.files()
    data, head = path.read_bytes(), (trail.folder / HEAD).read_bytes()
    trail.add(ANN, "export")
    path.write_bytes(
        data + path.read_bytes()[len(data) :][:40]
    )  # the fifth line, and its head was not written any more
    (trail.folder / HEAD).write_bytes(head)
    assert trail.add(ANN, "train", run="r").n == 6
    checked = check(trail)
    assert checked.broken == ()
    assert checked.notes == (
        f"line 5 ({path.name}, row 5) was cut short when a program was stopped; the chain goes on from it",
    )


def test_old_files_are_forgotten_and_a_later_line_vouches_for_it(tmp_path: Path) -> None:
    written(tmp_path, 10, megabytes=0.0008)
    trail = Trail(tmp_path, Audit(megabytes=0.0008, days=1e-9))
    before = len(trail.files())
    trail.add(ANN, "export")
    assert len(trail.files()) < before
    assert check(trail).broken == ()
    trail.files()[0].unlink()
    assert "no line says that they were forgotten" in check(trail).broken[0]


def test_a_clock_set_back_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trail = written(tmp_path, 1)
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):  # type: ignore[no-untyped-def]
            return an_hour_ago

    monkeypatch.setattr("core.access.trail.datetime", Clock)
    trail.add(ANN, "export")
    checked = check(trail)
    assert checked.broken == ()
    assert re.match(r"the clock was set back by (3600|3599\.9\d*) s before line 2", checked.notes[0])


def test_two_processes_write_one_chain(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.starmap(written, [(tmp_path, 15), (tmp_path, 15)])
    checked = check(Trail(tmp_path, Audit()))
    assert (checked.lines, checked.broken) == (30, ())


def test_the_verbs_verify_show_and_name_the_broken_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PHENOPOLICY_DATA", str(tmp_path))
    trail = written(tmp_path, 3)
    assert main(["audit", "verify"]) == 0
    last = capsys.readouterr().out.split()[-1]
    assert main(["audit", "show", "--patient", "key-1"]) == 0
    (row,) = capsys.readouterr().out.splitlines()
    assert "ann@clinic.test  researcher  patient opened  run r" in row
    for who, rows in ((ANN.owner[:8], 3), (ANN.owner[:7], 0), (ANN.name, 3)):
        assert main(["audit", "show", "--who", who]) == 0
        assert len(capsys.readouterr().out.splitlines()) == rows
    trail.add(ANN, "export")
    assert main(["audit", "verify", "--holds", last]) == 0
    path = trail.files()[0]
    path.write_bytes(path.read_bytes().replace(b'"r"', b'"s"', 1))
    capsys.readouterr()
    assert main(["audit", "verify", "--holds", "f" * 64]) == 2
    said = capsys.readouterr().err
    assert "audit: line 1 " in said
    assert "no line has the SHA-256 ffff" in said
    assert main(["audit", "show", "--since", "2999-01-01"]) == 0
    assert capsys.readouterr().out == ""
    for day in ("yesterday", "28.11.2026"):
        with pytest.raises(SystemExit, match="2"):
            main(["audit", "show", "--since", day])
        assert f"'{day}' is no day; write it as in 2026-11-28" in capsys.readouterr().err
