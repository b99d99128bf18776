"""Validation elsewhere: a run's bundle to send, and what sites sent back, pooled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from core.base.errors import PhenoPolicyError, RunError
from core.base.text import markdown
from core.figures.differences import difference_forest
from core.figures.theme import fmt_count, fmt_interval, fmt_percent, policy_style
from core.policies.key import FUSED
from core.sites import digest_of, make_bundle, once_each, parse_site, pool, pool_html
from pages.components.shell.estimates import rows_of
from pages.components.shell.export import file_name, recorded, show, table
from pages.components.shell.frame import empty, failed, finished_run, require_run, visible_runs
from pages.components.shell.held import held
from pages.components.shell.session import get_session

if TYPE_CHECKING:
    from core.icu.view import RunView
    from core.sites import Pooled, SiteResult
    from core.sites.pool import PooledPolicy

RESULTS = "site-results"  # what this session has loaded, for the model card


def draw() -> None:
    """Choose a run and send its bundle; load what came back."""
    require_run()
    runs = {info.path.name: info for info in visible_runs() if info.state == "done"}
    shown = get_session().run
    name = st.selectbox(
        "Run",
        list(runs),
        format_func=lambda n: runs[n].name,
        **held("sites-run", runs, shown),
    )
    run = finished_run(runs[name].path)
    if run is None:
        empty("This run cannot be read", "It was made by another version of this program, or is damaged.")
        return
    bundle, there, back = st.columns(3, gap="medium")
    with bundle:
        _send(runs[name].path, runs[name].name)
    with there:
        _there(run)
    with back:
        found = _load(run)
    _found(found)


def _send(folder: Path, name: str) -> None:
    st.markdown("**1. Send the bundle**")
    st.download_button(
        "Build and download the bundle",
        data=recorded(lambda: bundle_of(folder), f"bundle {folder.name}"),
        file_name=file_name(f"bundle-{name}", "zip"),
        mime="application/zip",
        key="sites-bundle",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption(
        "Encoder, phenotypes, policies, scaling and study of the run, and no patient's row; scaling and encoder hold "
        "quantiles of the training patients' columns, extremes among them."
    )


def _there(run: RunView) -> None:
    st.markdown("**2. There**, where the other patients are:")
    command = "python -m core validate bundle.zip cohort.parquet --site North --out north.json"
    st.code(command, language=None, wrap_lines=True)
    st.caption(f"Bundle {digest_of(run)[:16]}. What leaves the site holds aggregates alone, no count of 1 to 10.")


def bundle_of(folder: Path) -> bytes:
    """The bundle of a run that this session may see; made when the button is clicked."""
    run = finished_run(folder)
    if run is None:
        raise RunError("this run is not here any more; choose another one.")
    return make_bundle(run)[0]


def _load(run: RunView) -> list[SiteResult]:
    """The results that were loaded and are of this run's bundle."""
    st.markdown("**3. Load what came back**, one file of each site:")
    files = st.file_uploader(
        "Results of sites", type=["json"], accept_multiple_files=True, max_upload_size=2, key="sites-files"
    )
    read, here = [site for file in files for site in _read(file)], digest_of(run)
    found, again = once_each([site for site in read if site.bundle == here])
    st.session_state[RESULTS] = found
    if foreign := [site.site for site in read if site.bundle != here]:
        st.warning(
            f"Left out, as they validated another bundle than this run's: {markdown(', '.join(foreign))}.",
            icon=":material/warning:",
        )
    if again:
        st.warning(
            f"Loaded more than once, of which the first file counts: {markdown(', '.join(again))}. Two sites of one "
            "name need names of their own: `--site` of `validate`.",
            icon=":material/warning:",
        )
    return found


def _found(found: list[SiteResult]) -> None:
    """Results of sites: as they are, and pooled where there are two or more."""
    if len(found) < 2:
        for site in found:
            _one(site)
        return
    try:
        pooled = pool(found)
    except PhenoPolicyError as error:
        failed(error, "Pooling")
        return
    _pooled(pooled)


def _read(file: Any) -> list[SiteResult]:
    """The result in a file, or none with the reason on the page."""
    try:
        return [parse_site(file.getvalue(), file.name)]
    except PhenoPolicyError as error:
        failed(error, f"Reading {file.name}")
        return []


def _one(site: SiteResult) -> None:
    """A single site's differences."""
    rows = pd.DataFrame([one.model_dump() for one in site.policies])
    drawn = rows.rename(columns={"low": "difference_low", "high": "difference_high"}).assign(
        n=site.stays, true_difference=np.nan
    )
    show(
        difference_forest(drawn),
        "site-differences",
        f"Difference of each policy to the clinicians of {site.site}: "
        + "; ".join(
            f"{policy_style(r.policy).name} {r.difference:+.2f} [{r.low:.2f}, {r.high:.2f}]" for r in rows_of(rows)
        ),
        caption=f"{markdown(site.site)}: {site.stays:,} stays, judged by its own clinicians. Load a second site's "
        "file to pool them.",
        data=rows.drop(columns=["reasons", "dose_shares"]),
    )


def _pooled(pooled: Pooled) -> None:
    """The forest plot of one policy, the numbers of all, and both as files."""
    names = [one.policy for one in pooled.policies]
    policy = st.selectbox(
        "Policy",
        names,
        format_func=lambda name: policy_style(name).name,
        **held("sites-policy", names, FUSED),
    )
    one = next(found for found in pooled.policies if found.policy == policy)
    rows = pooled.table(policy)
    deaths = "" if pooled.deaths is None else f", {fmt_count(pooled.deaths)} deaths"
    show(
        difference_forest(rows.assign(true_difference=np.nan)),
        "site-forest",
        f"Difference of {policy_style(policy).name} to the clinicians of each site and pooled: "
        + "; ".join(
            f"{r.policy} {r.difference:+.2f} [{r.difference_low:.2f}, {r.difference_high:.2f}]" for r in rows_of(rows)
        ),
        caption=f"{len(pooled.sites)} sites, {pooled.stays:,} stays{deaths}. Between sites: SD {one.tau:.2f}, I² "
        f"{100 * one.i2:.0f} %. Hollow: weak; hollow and gray: not supported at that site.",
        help="All stays: the patients that were seen, as uncertain as the least certain site. A further site: random "
        "effects (DerSimonian and Laird). Counts and doses pool to exactly those of all stays in one place, "
        "differences do not, since each site learns its own clinicians.",
        data=rows,
    )
    table(
        pd.DataFrame([_line(found) for found in pooled.policies]),
        "site-table",
        name="pooled",
        caption="Difference to the clinicians with 95 % interval.",
    )
    st.download_button(
        "Forest plots of all policies",
        data=recorded(lambda: pool_html(pooled), "pooled validation"),
        file_name="pooled-validation.html",
        mime="text/html",
        key="sites-html",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def _line(one: PooledPolicy) -> dict[str, str]:
    whole, further = one.all_stays, one.random_effects
    return {
        "policy": policy_style(one.policy).name,
        "all stays": f"{whole.value:+.2f} {fmt_interval(whole.low, whole.high)}",
        "a further site": f"{further.value:+.2f} {fmt_interval(further.low, further.high)}",
        "SD between sites": f"{one.tau:.2f}",
        "I²": fmt_percent(one.i2, 0),
    }
