"""What questions to a run are asked of: the small run, and the longest of its test stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.icu.view import RunView


@pytest.fixture(scope="module")
def view(tiny_run: Path) -> RunView:
    return RunView(tiny_run)


@pytest.fixture(scope="module")
def patient(view: RunView) -> int:
    return int(view.split.test[np.argmax(view.cohort.lengths[view.split.test])])
