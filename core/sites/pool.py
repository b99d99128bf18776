"""Sites pooled: each policy's difference to the clinicians over all of them, and how far the sites differ.

Stays, steps, deaths and the doses that a policy would give are sums over stays and steps, and the policy is the same
everywhere: pooled, they are those of all stays in one place. The difference is not: each site learns its own clinicians
and critics, and an estimate by the mix is no sum over stays. Pooled, it is another estimate of the same number.

    all stays      d = sum_i n_i d_i / sum_i n_i                  SE^2 = sum_i n_i^2 SE_i^2 / (sum_i n_i)^2
    random effects w_i = 1 / (SE_i^2 + tau^2), d = sum w_i d_i / sum w_i, SE^2 = 1 / sum w_i

The first asks about the patients that were seen, and is as wide as its least certain site, however small; the second
asks about a further site, and weighs sites by what they know. tau^2 is DerSimonian and Laird's (1986), I^2 = max(0,
(Q - df) / Q) the share of the variation that is between sites (Higgins and Thompson 2002).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from core.base.errors import ArtifactError, ConfigError
from core.base.files import write_atomic, write_json
from core.base.judging import judging_words
from core.base.statistics import Z95
from core.figures.differences import difference_forest
from core.sites.validate import SiteResult

GRADES = ("supported", "weak", "not supported")


@dataclass(frozen=True)
class PooledEstimate:
    """A difference with its 95 % interval."""

    value: float
    low: float
    high: float
    se: float


@dataclass(frozen=True)
class PooledPolicy:
    """One policy over all sites. tau: SD of the true differences between sites; i2: see the module; dose_shares: mean
    probability of each dose over the steps of all sites."""

    policy: str
    all_stays: PooledEstimate
    random_effects: PooledEstimate
    tau: float
    i2: float
    dose_shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class Pooled:
    """All policies over the sites."""

    sites: tuple[SiteResult, ...]
    policies: tuple[PooledPolicy, ...]

    @property
    def stays(self) -> int:
        return sum(site.stays for site in self.sites)

    @property
    def steps(self) -> int:
        return sum(site.steps for site in self.sites)

    @property
    def deaths(self) -> int | None:
        """None where a site left its own out."""
        counts = [site.deaths for site in self.sites]
        return None if None in counts else sum(count for count in counts if count is not None)

    def table(self, policy: str) -> pd.DataFrame:
        """One row a site and two for the pooled values, as `difference_forest` draws it.

        A pooled value is believed no further than the site whose grade is the worst.
        """
        rows = []
        for site in self.sites:
            found = next(one for one in site.policies if one.policy == policy)
            rows.append(_row(site.site, found.difference, found.low, found.high, found.ess, site.stays, found.grade))
        pooled = next(one for one in self.policies if one.policy == policy)
        worst = max((str(row["grade"]) for row in rows), key=GRADES.index)
        ess, n = sum(row["ess"] for row in rows), sum(site.stays for site in self.sites)  # type: ignore[misc]
        for name, one in (("All stays", pooled.all_stays), ("A further site", pooled.random_effects)):
            rows.append(_row(name, one.value, one.low, one.high, float(ess), n, worst))
        return pd.DataFrame(rows)


def pool(sites: Sequence[SiteResult]) -> Pooled:
    """Pool the results of at least two sites; `ConfigError` where a site comes twice, `ArtifactError` where they are of
    different bundles or judged by different versions."""
    if len(sites) < 2:
        raise ConfigError("pooling takes the results of two sites at least.")
    names = [site.site for site in sites]
    if len(set(names)) < len(names):
        raise ConfigError(f"a site comes twice among {', '.join(names)}; give each its own name.")
    if len({site.bundle for site in sites}) > 1:
        raise ArtifactError("the sites validated different bundles; pool results of one and the same.")
    if len({site.judging for site in sites}) > 1:
        told = "; ".join(f"{site.site} by {judging_words(site.judging)}" for site in sites)
        raise ArtifactError(f"the sites judged differently, {told}; validate again with programs of one version.")
    order = [one.policy for one in sites[0].policies]
    return Pooled(tuple(sites), tuple(_pool_policy(policy, sites) for policy in order))


def once_each(sites: Sequence[SiteResult]) -> tuple[list[SiteResult], list[str]]:
    """The first result of each site, and the names of those that come again, which `pool` would refuse."""
    first = {site.site: site for site in reversed(sites)}
    kept = [site for site in sites if first[site.site] is site]
    return kept, list(dict.fromkeys(site.site for site in sites if first[site.site] is not site))


def write_pool(pooled: Pooled, path: Path) -> list[Path]:
    """The forest plots as one HTML page that needs no network, and the numbers as JSON beside it."""
    if path.suffix != ".html":
        raise ConfigError(f"{path.name}: the forest plots are written as .html (with .json beside it); name it so.")
    values = {
        "stays": pooled.stays,
        "steps": pooled.steps,
        "deaths": pooled.deaths,
        "policies": [asdict(one) for one in pooled.policies],
        "sites": [site.model_dump() for site in pooled.sites],
    }
    write_json(path.with_suffix(".json"), json.loads(json.dumps(values)))
    write_atomic(path, lambda file: file.write(pool_html(pooled).encode()))
    return [path, path.with_suffix(".json")]


def pool_html(pooled: Pooled) -> str:
    """The forest plots as one page of HTML that needs no network."""
    parts = [
        f"<h2>{escape(one.policy)}</h2><p>Between sites: SD {one.tau:.2f}, I² {100 * one.i2:.0f} %.</p>"
        + difference_forest(pooled.table(one.policy).assign(true_difference=np.nan)).to_html(False, full_html=False)
        for one in pooled.policies
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Pooled validation</title>'
        f"<script>{get_plotlyjs()}</script><body style='font-family: sans-serif; max-width: 60rem; margin: 2rem auto'>"
        f"<h1>Pooled validation over {len(pooled.sites)} sites</h1><p>Difference to the clinicians of each site, with "
        "95 % interval. Research and teaching only.</p>" + "".join(parts) + "</body></html>"
    )


def _pool_policy(policy: str, sites: Sequence[SiteResult]) -> PooledPolicy:
    found = [[one for one in site.policies if one.policy == policy] for site in sites]
    if any(len(one) != 1 for one in found):
        raise ArtifactError(f"not every site judged the policy '{policy}' once.")
    value, error = np.array([one[0].difference for one in found]), np.array([one[0].se for one in found])
    whole = pooled_values(policy, value, error, np.array([site.stays for site in sites]))
    steps = np.array([site.steps for site in sites])
    shares = steps @ np.array([one[0].dose_shares for one in found]) / steps.sum()
    return replace(whole, dose_shares=tuple(float(share) for share in shares))


def pooled_values(policy: str, value: np.ndarray, error: np.ndarray, stays: np.ndarray) -> PooledPolicy:
    """Pool differences (S,) with standard errors (S,) of sites with so many stays (S,)."""
    share = stays / stays.sum()
    fixed = 1 / error**2
    center = (fixed * value).sum() / fixed.sum()
    q, df = float((fixed * (value - center) ** 2).sum()), len(value) - 1
    tau2 = max(0.0, (q - df) / (fixed.sum() - (fixed**2).sum() / fixed.sum()))
    weight = 1 / (error**2 + tau2)
    return PooledPolicy(
        policy=policy,
        all_stays=_estimate(float(share @ value), float(np.sqrt(share**2 @ error**2))),
        random_effects=_estimate(float(weight @ value / weight.sum()), float(weight.sum() ** -0.5)),
        tau=float(np.sqrt(tau2)),
        i2=max(0.0, (q - df) / q) if q > 0 else 0.0,
    )


def _estimate(value: float, se: float) -> PooledEstimate:
    return PooledEstimate(value, value - Z95 * se, value + Z95 * se, se)


def _row(name: str, value: float, low: float, high: float, ess: float, n: int, grade: str) -> dict[str, object]:
    given = {"difference": value, "difference_low": low, "difference_high": high}
    return {"policy": name, **given, "ess": ess, "n": n, "grade": grade}
