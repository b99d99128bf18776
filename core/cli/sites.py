"""Verbs for validation without moving data: bundle a run, validate it at a site, pool the sites."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_site_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Bundle, validate, pool."""
    verb = verbs.add_parser("bundle", help="one file of what another hospital needs of a run, without a patient's row")
    verb.add_argument("run", type=Path)
    verb.add_argument("--out", type=Path, required=True, help=".zip")
    verb.set_defaults(function=bundle)

    verb = verbs.add_parser("validate", help="judge a bundle's policies on a cohort; only aggregates are written")
    verb.add_argument("bundle", type=Path)
    verb.add_argument("cohort", type=Path)
    verb.add_argument("--site", required=True, help="name under which the site's results are shown")
    verb.add_argument("--out", type=Path, required=True, help=".json")
    verb.add_argument(
        "--mapping", type=Path, help="TOML file that brings the file into the study's form (default: the bundle's own)"
    )
    verb.set_defaults(function=validate)

    verb = verbs.add_parser("pool", help="join the results of several sites into forest plots")
    verb.add_argument("sites", type=Path, nargs="+", help="what `validate` wrote")
    verb.add_argument("--out", type=Path, required=True, help=".html; .json is written beside it")
    verb.set_defaults(function=pool)


def bundle(options: argparse.Namespace) -> None:
    from core.icu.study import ICU
    from core.runs.integrity import open_run
    from core.sites import write_bundle

    digest = write_bundle(open_run(ICU, options.run), options.out)
    print(f"{options.out}: bundle {digest[:16]}, no patient's row in it")


def validate(options: argparse.Namespace) -> None:
    from core.base.files import write_json
    from core.sites import read_cohort
    from core.sites import validate as validate_bundle

    cohort = read_cohort(options.bundle, options.cohort, options.mapping)
    found = validate_bundle(options.bundle, cohort, options.site)
    write_json(options.out, found.model_dump(mode="json"))
    for one in found.policies:
        print(f"{one.policy:<16} {one.difference:+7.3f} [{one.low:+7.3f}, {one.high:+7.3f}]  {one.grade}")
    print(f"{options.out}: {found.stays:,} stays in aggregate; look it through before it leaves")


def pool(options: argparse.Namespace) -> None:
    from core.sites import pool as pool_sites
    from core.sites import read_site, write_pool

    pooled = pool_sites([read_site(path) for path in options.sites])
    for one in pooled.policies:
        whole = one.all_stays
        print(f"{one.policy:<16} {whole.value:+7.3f} [{whole.low:+7.3f}, {whole.high:+7.3f}]  I2 {100 * one.i2:.0f} %")
    page, data = write_pool(pooled, options.out)
    print(f"{page} and {data.name}")
