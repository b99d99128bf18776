"""How often a sound cohort is warned of: `python -m tests.benchmarks.false_alarms [--cohorts 200] [--patients 300]`.

Simulated cohorts of both kinds, and some whose records start late, are checked as an upload is; every warning is one
too many.
"""

from __future__ import annotations

import argparse
from collections import Counter

from core.cohort import check_cohort, simulate_cohort

KINDS = (("mimic-iv", None), ("eicu", None), ("mimic-iv", 0.6), ("eicu", 0.6))  # like, share of late starts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--patients", type=int, default=300)
    asked = parser.parse_args()
    warned, kinds = 0, Counter[str]()
    for seed in range(asked.cohorts):
        like, late = KINDS[seed % len(KINDS)]
        cohort, _ = simulate_cohort(like, asked.patients, seed, late_starts=late)
        report = check_cohort(cohort.frame)
        warned += bool(report.problems)
        kinds.update(f"{problem.severity}: {problem.column}: {problem.rule}" for problem in report.problems)
    print(f"{warned} of {asked.cohorts} cohorts of {asked.patients} patients were warned of")
    for kind, n in kinds.most_common():
        print(f"{n:>5}  {kind}")


if __name__ == "__main__":
    main()
