"""Dates are read by one rule for the whole column, so that no stay is torn apart at the turn of the 12th day."""

from __future__ import annotations

import datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tables.times import read_times

DAY = datetime.date(2150, 1, 1)
dates = st.lists(st.dates(DAY, datetime.date(2199, 12, 31)), min_size=1, max_size=30)


@given(dates, st.sampled_from(["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%d.%m.%Y"]))
def test_iso_and_pointed_dates_come_back_as_they_were(days: list[datetime.date], form: str) -> None:
    read = read_times(pd.Series([day.strftime(form) for day in days]))
    assert [time.date() for time in read] == days


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y"])
def test_days_that_follow_each_other_stay_so_whatever_comes_first(form: str) -> None:
    days = pd.date_range("2150-03-10", periods=6)
    assert list(read_times(pd.Series(days.strftime(form)))) == list(days.tz_localize("UTC"))


def test_cells_that_are_no_times_are_missing() -> None:
    assert read_times(pd.Series(["13.03.2150", "later", None])).isna().tolist() == [False, True, True]
