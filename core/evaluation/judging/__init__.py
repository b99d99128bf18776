"""Judging a policy that was learned from the same patients: folds by person, propensities fitted apart, critics on
features of each stay's history, estimates of short memory mixed into one, the gate that picks, the grade of belief.

It stands on the published estimators beside it (resampling, support); none of them knows it.
"""
