"""What a choice of settings found: the table of candidates, sentences on it, and how each setting matters.

Every comparison is paired over tuning seeds: all candidates of a seed met the same fresh patients. `choices` is the
table of `core.experiments.choose`.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from core.experiments.settings import ChoiceSettings
from core.icu.config import RunConfig, load_preset
from core.policies.key import FOREST, NO_ENCODER, SIMPLE, SINGLE_EXPERT, PolicyKey, has_phenotypes

TRAINED = ["epochs", "batch_size"]  # settings of the phenotype agents
SETTINGS = ["lambda_", "temperature", *TRAINED, "kind"]  # of a fused policy
CANDIDATE = ["policy", *SETTINGS]  # what names one
NAMES = {"lambda_": "lambda", "batch_size": "batch size", "kind": "choice of the dose"}
Row = dict[str, Any]


def _comparable(choices: pd.DataFrame) -> pd.DataFrame:
    """Each policy once for each way it was trained: epochs and batch size are NaN for those that the settings of the
    agents do not train (the simple ones, and the baselines, whose settings are their own), and Q* from a forest made
    cheap is left out."""
    varied = choices["policy"].map(has_phenotypes)
    trained = {name: choices[name].where(varied).astype(float) for name in TRAINED}
    return choices.assign(**trained)[choices["policy"] != FOREST].drop_duplicates(
        ["seed", *CANDIDATE], ignore_index=True
    )


def choice_table(choices: pd.DataFrame) -> list[Row]:
    """Mean over tuning seeds of every candidate, best first; epochs and batch size None where it depends on neither.

    se: of the mean over seeds, from their spread or their roll-outs, whichever is larger.
    """
    rows = []
    for values, part in _comparable(choices).groupby(CANDIDATE, sort=False, dropna=False):
        trained = {name: part[name].iloc[0] for name in TRAINED}
        rows.append(
            {
                **dict(zip(CANDIDATE, values, strict=True)),
                **{name: int(value) if math.isfinite(value) else None for name, value in trained.items()},
                "seeds": len(part),
                "true_value": float(part["true_value"].mean()),
                "se": _se(part["true_value"], part["true_se"]),
                "gain": float(part["gain"].mean()),
                "gain_se": _se(part["gain"], math.sqrt(2) * part["true_se"]),
                "true_survival_percent": float(100 * part["true_survival"].mean()),
            }
        )
    return sorted(rows, key=lambda row: -row["true_value"])


def findings(choices: pd.DataFrame, settings: ChoiceSettings) -> list[str]:
    """Does fusion beat the clinicians, its ingredients and the best single agent? One sentence each, with its basis."""
    defaults, choices = load_preset(settings.preset), _comparable(choices)
    rows = choice_table(choices)
    fused = [row for row in rows if row["policy"] == "fused"]
    n, seeds = settings.truth_patients, len(settings.seeds)
    said = [
        f"Tuning: {seeds} simulated cohorts of {settings.patients:,} patients (seeds {_listed(settings.seeds)}), "
        f"preset {settings.preset}, {n:,} fresh patients behind each true value. The best of {len(fused)} candidates "
        "is the best by chance in part, so its value is too high by an unknown amount. Retrospective fusion cannot be "
        "rolled out and is not among them."
    ]
    if not fused:
        return said
    best = fused[0]
    said.append(f"Best candidate: {_describe(best)}, true value {best['true_value']:.2f} (SE {best['se']:.2f}).")
    default = next((row for row in fused if _is_default(row, defaults)), None)
    if default is not None and default is not best:
        said.append(f"Against the preset's default ({_describe(default)}) it gains {_gap(choices, best, default)}.")
    for name, row in (("best candidate", best), *([("preset's default", default)] if default is not None else [])):
        said += [f"The {name} {_against(choices, row, other)}" for other in ("clinician", "ingredient", "agent")]
    return said


def around(choices: pd.DataFrame, row: Row) -> list[Row]:
    """The candidates that differ from `row` in one setting alone: setting, level, difference, se (paired over seeds),
    seeds; the row itself stands among them with difference 0."""
    choices = _comparable(choices)
    fused = [other for other in choice_table(choices) if other["policy"] == "fused"]
    found = []
    for name in SETTINGS:
        near = [other for other in fused if all(other[key] == row[key] for key in SETTINGS if key != name)]
        for other in sorted(near, key=lambda other: (isinstance(other[name], str), other[name])):
            difference, se, seeds = _paired(choices, other, row)
            found.append({"setting": name, "level": other[name], "difference": difference, "se": se, "seeds": seeds})
    return found


def fused_rows(choices: pd.DataFrame, settings: ChoiceSettings) -> tuple[Row | None, Row | None]:
    """The best fused candidate, and the one at the preset's own defaults; None where there is no such candidate."""
    fused = [row for row in choice_table(choices) if row["policy"] == "fused"]
    defaults = load_preset(settings.preset)
    return next(iter(fused), None), next((row for row in fused if _is_default(row, defaults)), None)


def _is_default(row: Row, defaults: RunConfig) -> bool:
    own = defaults.agents
    given = (row["kind"], row["temperature"], row["lambda_"], row["epochs"], row["batch_size"])
    return given == ("soft", own.temperature, defaults.fusion.lambda_, own.epochs, own.batch_size)


def _paired(choices: pd.DataFrame, row: Row, other: Row) -> tuple[float, float, int]:
    """Mean difference in true value over the seeds of both, its standard error, and how many seeds."""
    mine, rival = (choices[_is(choices, one)].set_index("seed") for one in (row, other))
    gap = (mine["true_value"] - rival["true_value"]).dropna()
    if all(row[key] == other[key] for key in CANDIDATE):
        return 0.0, 0.0, len(gap)
    return float(gap.mean()), _se(gap, _gap_errors(mine, rival, gap)), len(gap)


def _gap_errors(mine: pd.DataFrame, rival: pd.DataFrame, gap: pd.Series) -> pd.Series:
    """Standard error of each seed's difference by its two roll-outs."""
    return ((mine["true_se"] ** 2 + rival["true_se"] ** 2) ** 0.5).reindex(gap.index)


def _gap(choices: pd.DataFrame, row: Row, other: Row) -> str:
    difference, se, seeds = _paired(choices, row, other)
    return f"{difference:+.2f} (SE {se:.2f}, {seeds} seeds)"


def _against(choices: pd.DataFrame, row: Row, other: str) -> str:
    """One paired comparison over seeds of a fused candidate with the clinicians, its ingredients, or any one agent."""
    mine = choices[_is(choices, row)].set_index("seed")
    same = choices[choices["kind"] == "own"]
    for key in TRAINED:
        same = same[(same[key] == row[key]) | same[key].isna()]
    if other == "clinician":
        rivals, name = same[same["policy"] == "clinician"], "the clinicians"
    elif other == "ingredient":
        own = same["policy"].map(lambda policy: PolicyKey(policy).expert is not None)
        rivals, name = same[own], "the best of its own agents"
    else:
        apart = (*SIMPLE, SINGLE_EXPERT, NO_ENCODER)
        rivals, name = same[~same["policy"].isin(apart)], "the best single agent of all"
    best = rivals.loc[rivals.groupby("seed")["true_value"].idxmax()].set_index("seed")
    if best.empty:
        return f"was not compared with {name}."
    gap = (mine["true_value"] - best["true_value"]).dropna()
    se = _se(gap, _gap_errors(mine, best, gap))
    far = abs(gap.mean()) > 2 * se
    verdict = ("beats" if gap.mean() > 0 else "loses against") if far else "cannot be told from"
    return f"{verdict} {name}: difference {gap.mean():+.2f} (SE {se:.2f}, {len(gap)} seeds)."


def _is(choices: pd.DataFrame, row: Row) -> pd.Series:
    same = pd.Series(True, index=choices.index)
    for key in CANDIDATE:
        same &= choices[key] == row[key]
    return same


def _describe(row: Row) -> str:
    return (
        f"{row['kind']}, lambda {row['lambda_']:g}, temperature {row['temperature']:g}, {row['epochs']} epochs, "
        f"batches of {row['batch_size']}"
    )


def _se(values: pd.Series, errors: pd.Series) -> float:
    """Standard error of a mean over seeds: from their spread or from their roll-outs, whichever is larger, since the
    spread of few seeds may be small by chance."""
    n = len(values)
    if not n:
        return math.nan
    spread = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    return max(spread, math.sqrt(float((errors**2).sum())) / n)


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))
