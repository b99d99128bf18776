"""Validation without moving data: a run goes out as a bundle, aggregates come back, and are pooled."""

from core.sites.bundle import opened, write_bundle
from core.sites.pool import Pooled, pool, write_pool
from core.sites.validate import SiteResult, read_site, validate

__all__ = ["Pooled", "SiteResult", "opened", "pool", "read_site", "validate", "write_bundle", "write_pool"]
