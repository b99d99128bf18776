"""Validation without moving data: a run goes out as a bundle, aggregates come back, and are pooled."""

from core.sites.bundle import digest_of, make_bundle, opened, write_bundle
from core.sites.pool import Pooled, once_each, pool, pool_html, write_pool
from core.sites.reading import read_cohort
from core.sites.validate import SiteResult, parse_site, read_site, validate

__all__ = [
    "Pooled",
    "SiteResult",
    "digest_of",
    "make_bundle",
    "once_each",
    "opened",
    "parse_site",
    "pool",
    "pool_html",
    "read_cohort",
    "read_site",
    "validate",
    "write_bundle",
    "write_pool",
]
