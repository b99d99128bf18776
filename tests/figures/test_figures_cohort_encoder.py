"""Theme, cohort and encoder figures: what is drawn is what was given, in any size."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from core.figures import theme
from core.figures.cohort import attrition_flow, dose_shares, in_record, missing_heatmap, mortality_bars, published_means
from core.figures.encoder import attention_bars, attention_heatmap, error_bars, loss_curves, reconstruction
from core.study import load_study

LOOKS = {"all": ("#000000", "circle"), "Phenotype 0": (theme.phenotype_color(0), theme.phenotype_symbol(0))}


def texts(fig) -> list[str]:
    return [str(note.text) for note in fig.layout.annotations]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12])
def test_action_colors_differ_and_no_drug_is_gray(n: int) -> None:
    colors = theme.action_colors(n)
    assert len(colors) == len(set(colors)) == n
    assert colors[0] == "#C9CED6"


def test_nine_phenotypes_differ_in_color_and_marker() -> None:
    assert len({theme.phenotype_color(k) for k in range(9)}) == 9
    assert len({theme.phenotype_symbol(k) for k in range(9)}) == 9
    assert theme.phenotype_color(9) == theme.phenotype_color(0)


def test_policies_of_phenotypes_wear_their_phenotype() -> None:
    style = theme.policy_style("phenotype-2")
    assert (style.name, style.color, style.symbol) == (
        "Phenotype 2",
        theme.phenotype_color(2),
        theme.phenotype_symbol(2),
    )
    assert theme.policy_style("zero-drug").name == "No drug"
    assert theme.policy_style("brand-new").name == "brand-new"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (theme.fmt(None), "–"),
        (theme.fmt(math.nan), "–"),
        (theme.fmt(math.inf), "∞"),
        (theme.fmt(13355), "13,355"),
        (theme.fmt(1.005, 1), "1.0"),
        (theme.fmt_percent(0.2746), "27.5 %"),
        (theme.fmt_interval(1, math.nan), "no interval"),
        (theme.fmt_lambda(math.inf), "∞ (single expert)"),
        (theme.fmt_lambda(0.0), "0 (average)"),
        (theme.fmt_duration(200), "3 min 20 s"),
        (theme.fmt_duration(None), "not known yet"),
        (theme.axis_label("Platelets", "10^9/L"), "Platelets (×10⁹/L)"),
        (theme.fmt_unit("platelets below 150 x 10^9/L"), "platelets below 150 × 10⁹/L"),
        (theme.axis_label("INR", "1"), "INR"),
        (theme.fmt_unit("deg C"), "°C"),
        (theme.fmt_unit("ug/kg/min"), "µg/kg/min"),
        (theme.fmt_unit("umol/L"), "µmol/L"),
        (theme.fmt_unit("m^-2"), "m⁻²"),
        (theme.fmt_unit("units per 4 h"), "units per 4 h"),
    ],
)
def test_numbers_read_as_people_write_them(text: str, wanted: str) -> None:
    assert text == wanted


def test_attrition_shows_every_exclusion_with_its_count() -> None:
    table = pd.DataFrame(
        [["rows read", 0, 0, 1200, 9000], ["stay of one step", 200, 200, 1000, 8800]],
        columns=["reason", "patients", "rows", "patients_left", "rows_left"],
    )
    shown = " ".join(texts(attrition_flow(table)))
    for part in ("Rows read", "1,200 stays, 9,000 steps", "stay of one step", "200 stays", "1,000 stays, 8,800 steps"):
        assert part in shown
    assert len(attrition_flow(table).layout.shapes) == 3
    assert len(attrition_flow(table.head(1)).layout.shapes) == 1


def test_reasons_that_left_nobody_out_are_not_drawn() -> None:
    table = pd.DataFrame(
        [["rows read", 0, 0, 9, 90], ["nothing", 0, 0, 9, 90], ["too old", 2, 20, 7, 70], ["none", 0, 0, 7, 70]],
        columns=["reason", "patients", "rows", "patients_left", "rows_left"],
    )
    fig = attrition_flow(table)
    shown = " ".join(texts(fig))
    assert "too old" in shown
    assert "nothing" not in shown
    assert "none" not in shown
    assert len(fig.layout.shapes) == 3
    assert len(attrition_flow(table.head(2)).layout.shapes) == 1


@pytest.mark.parametrize(("hours", "every"), [((-16, 44), 12), ((0, 28), 4), ((0, 0), 4), ((0, 5000), 672)])
def test_time_ticks_are_hours_that_people_count_in(hours: tuple[int, int], every: int) -> None:
    axis = in_record(
        pd.DataFrame({"group": "all", "step": [0, 1], "hours": hours, "n": 1, "share": 1.0}), LOOKS
    ).layout.xaxis
    assert (axis.tick0, axis.dtick) == (0, every)


def test_a_long_reason_stays_in_its_box() -> None:
    table = pd.DataFrame(
        [["source", 0, 0, 9, 9], ["because " * 60, 1, 1, 8, 8]],
        columns=["reason", "patients", "rows", "patients_left", "rows_left"],
    )
    assert max(text.count("<br>") for text in texts(attrition_flow(table))) == 2


def test_mortality_draws_share_and_interval_of_each_group() -> None:
    table = pd.DataFrame(
        {
            "group": ["all", "Phenotype 0"],
            "patients": [10, 4],
            "deaths": [3, 2],
            "mortality": [0.3, 0.5],
            "mortality_low": [0.1, 0.2],
            "mortality_high": [0.6, 0.8],
        }
    )
    fig = mortality_bars(table, LOOKS, died="died")
    assert [trace.x[0] for trace in fig.data] == [0.3, 0.5]
    np.testing.assert_allclose(fig.data[1].error_x.array, [0.3])
    np.testing.assert_allclose(fig.data[1].error_x.arrayminus, [0.3])
    assert fig.data[1].marker.color == theme.phenotype_color(0)


def test_record_and_doses_keep_groups_in_order() -> None:
    record = pd.DataFrame({"group": ["all"] * 2 + ["Phenotype 0"] * 2, "step": [0, 1] * 2, "hours": [0, 4] * 2,
                           "n": [9, 8, 4, 4], "share": [1, 8 / 9, 1, 1]})  # fmt: skip
    assert [trace.name for trace in in_record(record, LOOKS).data] == ["all", "Phenotype 0"]
    doses = pd.DataFrame({"group": ["b", "b", "a", "a"], "action": [0, 1, 0, 1], "dose": ["no", "some"] * 2,
                          "n": [3, 1, 2, 2], "share": [0.75, 0.25, 0.5, 0.5]})  # fmt: skip
    fig = dose_shares(doses, ["b", "a"], "units")
    assert [list(trace.x) for trace in fig.data] == [[0.75, 0.5], [0.25, 0.5]]


def test_missing_map_leaves_unreached_steps_blank() -> None:
    table = pd.DataFrame([[0.0, np.nan], [50.0, np.nan]], index=["a", "b"])
    z = np.asarray(missing_heatmap(table, np.array([0, 4])).data[0].z, dtype=float)
    assert np.isnan(z[:, 1]).all()
    assert z[1, 0] == 50


def test_published_differences_are_drawn_once_a_source() -> None:
    table = pd.DataFrame({"label": ["Age"], "mimic_iv": [0.1], "eicu": [-0.2]})
    fig = published_means(table, (("mimic_iv", "against MIMIC-IV"), ("eicu", "against eICU")))
    assert [(trace.name, trace.x[0]) for trace in fig.data] == [("against MIMIC-IV", 0.1), ("against eICU", -0.2)]


def test_loss_curves_mark_the_kept_epoch() -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [3.0, 2.0, 1.0], "valid_loss": [2.0, 1.5, 1.8]})
    star = loss_curves(history).data[-1]
    assert (star.x[0], star.y[0]) == (2, 1.5)
    assert "first epoch" in texts(loss_curves(history.head(0)))[0]


def test_losses_that_are_not_finite_have_no_kept_epoch() -> None:
    history = pd.DataFrame({"epoch": [1], "train_loss": [np.nan], "valid_loss": [np.nan]})
    assert len(loss_curves(history).data) == 2


@pytest.mark.parametrize("n_columns", [1, 2, 3, 4, 10])
def test_reconstruction_has_a_panel_a_column(n_columns: int) -> None:
    study = load_study()
    columns = [column.name for column in study.columns if column.kind == "temporal"][:n_columns]
    true = np.arange(3 * n_columns, dtype=float).reshape(3, n_columns)
    fig = reconstruction(study, np.arange(3) * 4.0, true, true + 1, columns)
    assert len(fig.data) == 2 * n_columns
    np.testing.assert_array_equal(fig.data[1].y, true[:, 0] + 1)
    assert sum(trace.showlegend is not False for trace in fig.data) == 2


def test_the_course_fills_its_panel_however_far_the_healthy_range_is() -> None:
    study = load_study()
    flat = np.array([[60.0], [70.0]])
    low, high = reconstruction(study, np.array([0.0, 4.0]), flat, flat, ["Platelets"]).layout.yaxis.range
    assert 50 < low < 60 < 70 < high < 80


def test_attention_and_errors_draw_what_they_are_given() -> None:
    bars = attention_bars(np.array([0.0, 4.0]), np.array([0.25, 0.75]), patient="7")
    assert list(bars.data[0].y) == [0.25, 0.75]
    assert bars.layout.shapes[0].y0 == 0.5
    means = np.array([[0.5, 0.5, np.nan], [0.2, 0.3, 0.5]])
    assert attention_heatmap(np.arange(3), means, np.array([2, 3])).data[0].z.shape == (2, 3)
    table = pd.DataFrame(
        {"column": ["a", "b"], "error": [0.1, 0.3], "mean_guess": [0.2, 0.3], "last_value": [0.1, 0.2], "n": 5}
    )
    assert list(error_bars(table).data[0].y) == ["b", "a"]
