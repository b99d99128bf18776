"""The report of a run: one HTML file that holds everything, needs no network and prints well."""

from core.report.page import render_report, write_report

__all__ = ["render_report", "write_report"]
