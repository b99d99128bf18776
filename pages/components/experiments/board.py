"""The leaderboard: what policies are truly worth in simulated worlds, and what each estimator said of them."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from core.base.errors import PhenoPolicyError
from core.base.judging import JUDGING, judging_words
from core.base.text import markdown
from core.experiments.board import ESTIMATORS, LARGEST, Leaderboard, example_board, holds_truth, parse_board
from core.figures.leaderboard import estimates_against_truth
from core.figures.theme import fmt, fmt_count, fmt_interval, fmt_percent
from pages.components.shell.export import file_name, recorded, show, table
from pages.components.shell.frame import empty, failed
from pages.components.shell.held import held

EXAMPLE = "Example of the documentation"
NAMES = {"mix": "the mix", "phwis": "PHWIS", "phwdr": "PHWDR", "fqe": "FQE", "d3rlpy-fqe": "FQE by d3rlpy"}
ALL = "all worlds"
MAKE = "python -m core leaderboard --out board.json --patients 1000 --worlds heparin null"


def draw() -> None:
    """Choose a board, a world and an estimator; the example stands where no board was loaded."""
    loader = st.expander("Make and load a board of your own", icon=":material/upload:")
    with loader:
        st.markdown("This command makes one; load its file here, or several:")
        st.code(MAKE, language=None)
        boards = _boards()
    if not boards:
        empty("No board yet", "Make one by the command above, and load its file there.", icon=":material/leaderboard:")
        return
    first, second, third = st.columns(3)
    with first:
        name = st.selectbox("Board", list(boards), **held("board-name", boards))
    board = boards[name]
    worlds = [ALL, *dict.fromkeys(board.policies["world"])]
    with second:
        world = st.selectbox("World", worlds, **held("board-world", worlds))
    known = [one for one in ESTIMATORS if one in board.policies]
    with third:
        estimator = st.selectbox("Estimator", known, format_func=NAMES.__getitem__, **held("board-estimator", known))
    _board(board, name, world, estimator)


def _boards() -> dict[str, Leaderboard]:
    """Boards by name: those loaded, then the example."""
    files = st.file_uploader(
        "Boards",
        type=["json"],
        accept_multiple_files=True,
        max_upload_size=LARGEST // 1_000_000,
        key="board-files",
    )
    found: dict[str, Leaderboard] = {}
    for file in files:
        try:
            read = parse_board(file.getvalue(), file.name)
        except PhenoPolicyError as error:
            failed(error, f"Reading {markdown(file.name)}")
            continue
        names = (file.name, *(f"{file.name} ({count})" for count in range(2, len(files) + 1)))
        found[next(name for name in names if name not in found)] = read
    example = example_board()
    return found if example is None else found | {EXAMPLE: example}


def _board(board: Leaderboard, name: str, world: str, estimator: str) -> None:
    """What was judged and how, the picture, its table, and the scores of the estimators."""
    rows = board.policies if world == ALL else board.policies[board.policies["world"] == world]
    rows = rows[rows[estimator].notna()]
    if rows.empty:
        said = NAMES[estimator]
        empty("Nothing here", f"{said[0].upper()}{said[1:]} took no part in this world.")
        return
    _picture(rows, estimator)
    st.caption(_made(board))
    table(
        _lines(rows, estimator),
        "board-table",
        name=f"board-{world}",
        caption=f"{len(rows)} rows, a world and policy each. Safe: no more hazardous doses than the clinicians gave, "
        "and not worse than they are in truth by more than two standard errors. Grade and ESS are those of the mix's "
        "difference to the clinicians.",
        csv=rows,
    )
    table(
        _scores(board.estimators if world == ALL else board.estimators[board.estimators["world"] == world]),
        "board-scores",
        name="board-estimators",
        caption="Sign: share of clear true differences to the clinicians whose side the estimator has right; rank: "
        "Spearman correlation with the truth. Where the drug does nothing, there is neither.",
        csv=board.estimators,
        placeholder="–",
    )
    st.download_button(
        "This board as JSON",
        data=recorded(lambda: json.dumps(board.to_json(), indent=2).encode(), "leaderboard"),
        file_name=file_name(f"board-{name.removesuffix('.json')}", "json"),
        mime="application/json",
        key="board-json",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def _made(board: Leaderboard) -> str:
    """How the board was made, and by which version of the judging."""
    by = board.settings
    versions = [None if pd.isna(one) else int(one) for one in _versions(board.policies)]
    other = "" if versions == [JUDGING] else " Now another version judges, and its numbers are not comparable."
    return (
        "Simulated worlds, whose truth is known by roll-out; policies are simple rules, and agents that learned on "
        f"another cohort of the world. {fmt_count(by['patients'])} stays to judge and as many to learn from, "
        f"{fmt_count(by['truth_patients'])} in each roll-out for the truth, {fmt_count(by['updates'])} updates a "
        f"learner, seed {by['seed']}. Judged by {'; '.join(map(judging_words, versions))}.{other}"
    )


def _versions(rows: pd.DataFrame) -> list[float | None]:
    return list(rows["judging"].unique()) if "judging" in rows else [None]


def _picture(rows: pd.DataFrame, estimator: str) -> None:
    name = NAMES[estimator]
    ends = {part: rows.get(f"{estimator}_{part}", pd.Series(float("nan"), rows.index)) for part in ("low", "high")}
    drawn = rows[["world", "policy", "true_value", "ess", "grade"]].assign(value=rows[estimator], **ends)
    held_by = holds_truth(rows, estimator).dropna()
    told = f"{int(held_by.sum())} of {len(held_by)} intervals hold the truth" if len(held_by) else "without intervals"
    show(
        estimates_against_truth(drawn, name),
        "board-picture",
        f"Value of each policy by {name} over its true value, {told}: "
        + "; ".join(
            f"{row['policy']} in {row['world']} {row['value']:.2f}, truly {row['true_value']:.2f}"
            for row in drawn.to_dict("records")
        ),
        caption=f"By {name}, {told}. On the dotted line estimate and truth are the same. Hollow: weak; gray: not "
        "supported.",
        help="Intervals are 95 %. They may leave the picture: where hardly any stay follows a policy they are wide.",
        data=drawn,
    )


def _lines(rows: pd.DataFrame, estimator: str) -> pd.DataFrame:
    """The rows as read: numbers with their uncertainty, words for yes and no."""
    holds = holds_truth(rows, estimator)
    lines = []
    for place, row in zip(rows.index, rows.to_dict("records"), strict=True):
        low, high = row.get(f"{estimator}_low"), row.get(f"{estimator}_high")
        told = f"{fmt(row[estimator])} {fmt_interval(low, high)}" if pd.notna(low) else fmt(row[estimator])
        lines.append(
            {
                "world": row["world"],
                "policy": row["policy"],
                "true value": _with_error(row["true_value"], row.get("true_value_se")),
                "true difference to clinicians": _with_error(row["true_difference"], row["true_difference_se"], "+"),
                "safe": "yes" if row["safe"] else "no",
                NAMES[estimator]: told,
                "holds the truth": "no interval" if pd.isna(holds[place]) else "yes" if holds[place] else "no",
                "ESS": fmt(row["ess"], 1),
                "grade": row["grade"],
            }
        )
    return pd.DataFrame(lines)


def _with_error(value: float, error: float | None, sign: str = "") -> str:
    return f"{value:{sign}.2f}" + ("" if error is None or pd.isna(error) else f" ± {fmt(error)}")


def _scores(scores: pd.DataFrame) -> pd.DataFrame:
    """How right the estimators were, in words."""
    shown = scores.assign(estimator=scores["estimator"].map(NAMES), error=scores["error"].round(2))
    for share in ("coverage", "sign"):
        shown[share] = [None if pd.isna(value) else fmt_percent(value, 0) for value in scores[share]]
    shown["rank"] = [None if pd.isna(value) else f"{value:+.2f}" for value in scores["rank"]]
    return shown.rename(
        columns={"coverage": "intervals that hold the truth", "error": "root mean squared error", "sign": "sign right"}
    )
