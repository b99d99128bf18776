"""Time and memory of the simulator: `python tests/benchmarks/simulate_cohort.py [PATIENTS]` (default 13,355)."""

from __future__ import annotations

import resource
import sys
import time

from core.cohort.simulate import calibration_report, simulate_cohort


def main(patients: int) -> None:
    for like in ("mimic-iv", "eicu"):
        start = time.perf_counter()
        cohort, truth = simulate_cohort(like, patients, 0)
        made = time.perf_counter() - start
        start = time.perf_counter()
        value = truth.policy_value("clinician", patients, 0)
        valued = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{like}: {patients:,} patients, {len(cohort.frame):,} steps in {made:.1f} s; value {value.value:.2f} in "
            f"{valued:.1f} s; peak {peak:.2f} GB; calibrated: {calibration_report(cohort, truth).ok}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 13_355)
