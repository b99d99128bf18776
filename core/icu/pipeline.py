"""The ICU study, top to bottom: cohort -> encoder -> phenotypes -> agents -> clinician policy -> values -> comparison.

Each stage reads what earlier stages stored in the run folder and stores its own results there; a finished stage is
never computed twice, so the same call resumes a run that was killed, and ends with the same result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd

from core.agents.keys import agent_key
from core.base.errors import ArtifactError, ConfigError, RunError
from core.base.files import write_array, write_arrays, write_json, write_table
from core.base.rng import derive_seed
from core.base.types import Progress
from core.cohort import Cohort, ground_truth, reimpute, save_cohort, split_cohort
from core.cohort.overlap import overlap
from core.evaluation.judging.gate import DIALS, Advice
from core.icu.advice import AdviceRecord, Audited
from core.icu.ask.atlas import RunAtlas, reward_atlas
from core.icu.ask.audit import audit, null_cohorts, subgroups
from core.icu.ask.calibrated import calibration_table
from core.icu.ask.compare import compare_policies, recorded_survival
from core.icu.ask.differences import differences_between, jury_of, own_differences
from core.icu.ask.judge import (
    AdvisedStays,
    Bench,
    StepAdvice,
    advice_record,
    advise,
    bench,
    judgment_rows,
    left_out,
    make_jury,
)
from core.icu.ask.learned import learned_table
from core.icu.ask.metrics import Metrics, metrics_document, run_metrics
from core.icu.ask.selected import advised_in, kept_folds
from core.icu.ask.tables import with_truth
from core.icu.config import Clinicians
from core.icu.fit.advised import true_gains
from core.icu.fit.baselines import train_baselines, train_without_encoder
from core.icu.fit.clinicians import behavior_arrays
from core.icu.fit.frontier import frontier_truth
from core.icu.fit.truth import true_values
from core.icu.fit.values import fit_critics
from core.icu.folder import ADVICE_FOLDS, ATLAS, AUDIT, JURY, OWN_DIFFERENCES
from core.icu.foreign import ForeignStays
from core.icu.view import REPRESENTATION, RunView
from core.policies.families import baseline_keys, policy_keys
from core.policies.key import FUSED, MODES, NO_ENCODER, PolicyKey
from core.runs.study import Stage
from core.trajectories import Scaler, fit_scaler, make_transitions, reward_terms


def evaluate_run(
    view: RunView,
    cohort: Cohort,
    n_clusters: int | None = None,
    lambda_: float | None = None,
    mode: str | None = None,
    clinicians: Clinicians = "auto",
) -> Metrics:
    """Value of every policy of a run on a cohort: on the test patients of its own cohort, on all of a foreign one.

    Policies that were added to the run are tables of its own steps: they are valued on its own cohort alone.

    clinicians: on a foreign cohort, whose habits the estimates divide by (see `ForeignStays`).
    """
    n_clusters = n_clusters or view.phenotypes.n_clusters
    lambda_ = view.config.fusion.lambda_ if lambda_ is None else lambda_
    mode = mode or view.config.fusion.mode
    if not lambda_ >= 0:
        raise ConfigError(f"lambda = {lambda_} is not usable: give 0 or more; inf is the single expert.")
    if n_clusters not in view.k_values:
        raise RunError(f"the run has no K = {n_clusters}; choose one of {', '.join(map(str, view.k_values))}.")
    # the run keeps its cohort with values imputed anew, which is the same patients under another hash
    own = cohort.data_hash in (view.manifest.data_hash, view.cohort.data_hash)
    stays = view if own else ForeignStays(view, cohort, clinicians)
    patients = view.split.test if own else np.arange(cohort.n_patients)
    keys = judged_keys(view, n_clusters, lambda_, [mode])
    if own:
        keys += [PolicyKey(name) for name in view.added]
    table = compare_policies(stays, patients, keys, view.survival_curve)
    if own and n_clusters == view.n_clusters:
        judges = jury_of(view).bench_of(keys)  # those of the run
    else:
        judges = bench(stays, view.study, n_clusters, keys, patients, view.split.learners if own else None)
    advice = view.advice if own else None
    if advice is None:
        advised = advise(stays, view.study, view.n_clusters)
        advice = _advice(view, advised, cohort)
        null = list(_null_cohorts(view, advised))
        audited, _ = _audited(view, advised, cohort, advice.shown.share, null)
        advice = advice.model_copy(update=dict(audited))
    judgments = _judgments(view, judges, keys, advice)
    if own:
        table = with_truth(view, table)
    run = run_metrics(view.manifest, n_clusters, lambda_, mode, view.config.preset)
    treated_by = stays.clinicians if isinstance(stays, ForeignStays) else "own"
    shared = None if own else overlap(view.cohort, cohort)
    along = differences_between(view, PolicyKey.at(FUSED, n_clusters, lambda_, mode)) if own else None
    return metrics_document(table, judgments, advice, cohort, patients, own, run, treated_by, shared, view.added, along)


def store_cohort(view: RunView, cohort: Cohort) -> Iterator[Progress]:
    """cohort.parquet, study.json, report.json, split.npz, scaler.json; medians and scales from training patients."""
    folder, run = view.path, view.config.run
    split = split_cohort(cohort, run.seed, run.fractions)
    cohort = reimpute(cohort, split.train)
    save_cohort(cohort, folder / "cohort.parquet")
    write_json(folder / "study.json", cohort.study.model_dump(mode="json"))
    write_json(folder / "report.json", cohort.report.to_json())
    write_arrays(folder / "split.npz", train=split.train, valid=split.valid, test=split.test)
    scaler = _given_scaler(view) if run.encoder_folder else fit_scaler(cohort, split.train)
    write_json(folder / "scaler.json", scaler.to_json())
    yield Progress("cohort", 1, 1, f"{cohort.n_patients:,} patients, {len(cohort.frame):,} steps")


def _given_scaler(view: RunView) -> Scaler:
    """The scaling that a saved encoder was trained with: its inputs must be scaled as they were then."""
    from core.encoder import load_encoder

    scaler = load_encoder(Path(view.config.run.encoder_folder), view.study).scaler
    if scaler is None:
        raise ArtifactError("the saved encoder does not say how its inputs were scaled; train it again.")
    return scaler


def train_representation(view: RunView) -> Iterator[Progress]:
    """encoder/; the best epoch by validation error is kept."""
    from core.encoder import load_encoder, save_encoder, train_encoder

    given = view.config.run.encoder_folder
    if given:
        save_encoder(load_encoder(Path(given), view.study), view.path / "encoder")
        yield Progress("encoder", 1, 1, "Saved encoder loaded")
        return
    data = view.trajectories
    train, valid = data.subset(view.split.train), data.subset(view.split.valid)
    yield from train_encoder(view.config.encoder, train, valid, view.path / "encoder")


def represent(view: RunView) -> Iterator[Progress]:
    """z.npy, z_prefix.npy, attention.npy, representation.json."""
    encoder, data = view.encoder(), view.trajectories
    write_array(view.path / "z_prefix.npy", encoder.encode_prefixes(data))
    yield Progress("representation", 1, 2, "Representation of every prefix")
    write_array(view.path / "z.npy", encoder.encode(data))
    write_array(view.path / "attention.npy", encoder.attention(data))
    write_json(view.path / REPRESENTATION, {"sees_current_action": encoder.sees_current_action})
    yield Progress("representation", 2, 2, "Representation of every stay")


def find_phenotypes(view: RunView) -> Iterator[Progress]:
    """phenotypes/, projection.npz, honesty.parquet."""
    from core.phenotypes import fit_phenotypes, honesty_table, project, save_phenotypes

    config, data, train = view.config.phenotypes, view.trajectories, view.split.train
    severity = data.states[:, :, view.study.index(view.study.severity)]
    mean_severity = np.where(data.mask, severity, 0).sum(axis=1) / data.lengths
    phenotypes = fit_phenotypes(view.z[train], config, data.lengths[train], mean_severity[train])
    save_phenotypes(phenotypes, view.path / "phenotypes")
    yield Progress("phenotypes", 1, 3, f"K = {min(phenotypes.k_values)} to {max(phenotypes.k_values)}")
    projection = project(view.z, config)
    write_arrays(view.path / "projection.npz", umap=projection.umap, pca=projection.pca)
    write_json(view.path / "projection.json", {"note": projection.note, "explained": projection.explained})
    yield Progress("phenotypes", 2, 3, "Map of the stays")
    truth = ground_truth(view.cohort)
    known = None if truth is None else truth.phenotype
    table = honesty_table(view.z, view.z_prefix, data, phenotypes, train, known, config)
    write_table(view.path / "honesty.parquet", table)
    yield Progress("phenotypes", 3, 3, "Phenotypes held against stay length, rivals and, where known, the truth")


def train_policies(view: RunView) -> Iterator[Progress]:
    """agents/: one agent per phenotype for every K, and their Q at every state."""
    from core.agents import train_agents

    transitions = make_transitions(view.trajectories, view.split.train)
    keys = [(k, index) for k in view.k_values for index in range(k)]
    memberships = [np.flatnonzero(view.labels(k)[transitions.patient] == index) for k, index in keys]
    agents = yield from train_agents(
        view.config.agents,
        transitions,
        memberships,
        n_actions=view.study.n_actions,
        columns=view.study.names,
        keys=[agent_key(k, index) for k, index in keys],
    )
    agents.save(view.path / "agents")
    for k in view.k_values:
        q = agents.select([agent_key(k, index) for index in range(k)]).q_values(view.trajectories.states)
        write_array(view.path / "agents" / f"q_{k}.npy", np.ascontiguousarray(np.moveaxis(q, 0, -2)))


def train_rivals(view: RunView) -> Iterator[Progress]:
    """baselines/: every policy to compare with, trained on all training patients, and its Q at every state."""
    yield from train_baselines(view)


def train_ablation(view: RunView) -> Iterator[Progress]:
    """baselines/no-encoder/: agents of phenotypes that no encoder found, where they are asked for."""
    yield from train_without_encoder(view)


def estimate_clinicians(view: RunView) -> Iterator[Progress]:
    """behavior, support, similar_reference and neighbors.npy."""
    arrays = behavior_arrays(view)
    for name, array in arrays.items():
        write_array(view.path / f"{name}.npy", array)
    yield Progress("clinicians", 1, 1, "Clinician policy from similar patients")


def estimate_values(view: RunView) -> Iterator[Progress]:
    """FQI (Q*) in both layouts, and FQE of every baseline and phenotype policy, at every state."""
    yield from fit_critics(view)


def roll_out_truth(view: RunView) -> Iterator[Progress]:
    """truth.parquet: what the policies are really worth, on simulated patients only."""
    table = pd.DataFrame()
    for progress, table in true_values(view):  # noqa: B007 - the last table is whole
        yield progress
    write_table(view.path / "truth.parquet", table)


def roll_out_frontier(view: RunView) -> Iterator[Progress]:
    """frontier.parquet: true values of the fused policy on its way from the clinicians', on simulated patients."""
    table = pd.DataFrame()
    for progress, table in frontier_truth(view):  # noqa: B007 - the last table is whole
        yield progress
    write_table(view.path / "frontier.parquet", table)


def advise_run(view: RunView) -> Iterator[Progress]:
    """advice.json and advice.npy: what is advised; advice.npz: what its folds learned, to ask it further;
    calibration.parquet: the clinicians' probabilities on stays that taught them nothing."""
    advised = advise(view, view.study, view.n_clusters)
    write_array(view.path / "advice.npy", advised.own)
    write_arrays(view.path / ADVICE_FOLDS, **kept_folds(advised))
    write_table(view.path / "calibration.parquet", calibration_table(advised))
    yield Progress("advice", 1, 2, str(advised.advice))
    record = _advice(view, advised, view.cohort)
    write_json(view.path / "advice.json", record.model_dump(mode="json"))
    yield Progress("advice", 2, 2, "The advice, rolled out where the truth is known")


def audit_run(view: RunView) -> Iterator[Progress]:
    """audit.json: the advice on null cohorts and controls, and under other choices of the study; atlas.npy: what it
    would be under them; subgroups.parquet: its difference in groups of patients."""
    advice, advised = view.advice, advised_in(view)
    assert advice is not None
    assert advised is not None
    null: list[Advice] = []
    repeats, share = view.config.evaluation.audit_repeats, advice.shown.share
    for one in _null_cohorts(view, advised):
        null.append(one)
        yield Progress("audit", round(600 * len(null) / repeats), 1000, f"{len(null)} of {repeats} null cohorts")
    audited, atlas = _audited(view, advised, view.cohort, share, null)
    write_array(view.path / ATLAS, atlas.taken)
    write_json(view.path / AUDIT, audited.model_dump(mode="json"))
    yield Progress("audit", 950, 1000, "The advice under other choices")
    labels = view.labels(view.n_clusters)
    write_table(view.path / "subgroups.parquet", subgroups(advised, view, view.study, labels, share))
    yield Progress("audit", 1000, 1000, "The advice in groups of patients")


def judge_run(view: RunView) -> Iterator[Progress]:
    """judgments.parquet: differences to the clinicians by the mix; jury.npy: the clinicians' probabilities that judged;
    differences.parquet: the run's own policy along lambda and from the clinicians to it; learned.parquet: whether
    agents, critics and propensities learned."""
    k, study = view.n_clusters, view.study
    keys = judged_keys(view, k, view.config.fusion.lambda_, MODES)
    jury = make_jury(view, study, k, view.split.test, view.split.learners)
    write_array(view.path / JURY, jury.behavior[0])
    assert view.advice is not None
    judgments = _judgments(view, jury.bench_of(keys), keys, view.advice)
    write_table(view.path / "judgments.parquet", judgments)
    yield Progress("judgment", 1, 3, f"{len(keys)} policies judged against the clinicians")
    write_table(view.path / OWN_DIFFERENCES, own_differences(view))
    yield Progress("judgment", 2, 3, "The run's own policy judged along lambda and on its way from the clinicians")
    learned = learned_table(view, judgments)
    write_table(view.path / "learned.parquet", learned)
    agree = int(learned["agrees"].sum())
    yield Progress("judgment", 3, 3, f"{agree} of {len(learned)} learners agree with what the records say of them")


def _advice(view: RunView, advised: StepAdvice, cohort: Cohort) -> AdviceRecord:
    """The advice as it is kept, with its true gain where the cohort is simulated and roll-outs are on."""
    truth, evaluation, seed = ground_truth(cohort), view.config.evaluation, view.config.run.seed
    gains = None
    if truth is not None and evaluation.truth_patients:
        truth = replace(truth, study=view.study)  # the run's reward weights
        drawn = derive_seed(seed, "truth")
        gains = true_gains(view, truth, advised.learned, DIALS, evaluation.truth_patients, drawn)
    return advice_record(advised, evaluation.ess_floor, left_out(advised, view.study), gains)


def _null_cohorts(view: RunView, advised: AdvisedStays) -> Iterator[Advice]:
    """What would be advised in null cohorts, as many as the settings say."""
    evaluation, seed = view.config.evaluation, view.config.run.seed
    return null_cohorts(advised, view.study, evaluation.ess_floor, evaluation.audit_repeats, seed)


def _audited(
    view: RunView, advised: AdvisedStays, cohort: Cohort, share: float, null: Sequence[Advice]
) -> tuple[Audited, RunAtlas]:
    """Tests of the advice at the dial `share` on its own records, with its null cohorts, and its atlas."""
    terms = reward_terms(cohort, view.study, view.scaler)
    atlas = reward_atlas(advised, view.study, terms, share, view.config.evaluation.ess_floor, view.config.run.seed)
    return Audited(audit=audit(advised, view.study, share, null), atlas=atlas.record), atlas


def _judgments(view: RunView, judges: Bench, keys: Sequence[PolicyKey], advice: AdviceRecord) -> pd.DataFrame:
    """`judgment_rows` of policies, beside the recorded columns' strengths that the advice was told with."""
    floor, columns = view.config.evaluation.ess_floor, advice.left_out or ()
    return judgment_rows(keys, judges.reward(), judges.survival(), floor, columns)


def judged_keys(view: RunView, n_clusters: int, lambda_: float, modes: Sequence[str]) -> list[PolicyKey]:
    """The policies of a run at one K and lambda; the ablation without encoder at the run's own K alone."""
    names = [name for name in view.baselines if name != NO_ENCODER or n_clusters == view.n_clusters]
    own = policy_keys([n_clusters], [lambda_], modes, view.study.actions.has_nothing)
    return [*own, *baseline_keys(names, n_clusters, lambda_, modes)]


def compare(view: RunView) -> Iterator[Progress]:
    """evaluations.parquet and survival_curve.parquet: every policy, K, mode and lambda on the test patients."""
    curve = recorded_survival(view, view.split.train)
    write_table(view.path / "survival_curve.parquet", pd.DataFrame(asdict(curve)))
    keys = policy_keys(view.k_values, view.lambdas, MODES, view.study.actions.has_nothing)
    keys += baseline_keys(view.baselines, view.n_clusters, view.config.fusion.lambda_, MODES)
    write_table(view.path / "evaluations.parquet", compare_policies(view, view.split.test, keys, curve))
    if view.config.run.plot_flag:
        from core.icu.plots import write_figures

        write_figures(view)
    yield Progress("evaluation", 1, 1, f"{len(keys)} policies compared")


STAGES: dict[str, Stage[RunView]] = {
    "encoder": Stage(train_representation, 10),
    "representation": Stage(represent, 1, ("encoder",)),
    "phenotypes": Stage(find_phenotypes, 5, ("representation",)),
    "agents": Stage(train_policies, 6, ("phenotypes",)),
    "baselines": Stage(train_rivals, 20),
    "ablation": Stage(train_ablation, 1, ("phenotypes",), within="baselines"),
    "clinicians": Stage(estimate_clinicians, 9),
    "advice": Stage(advise_run, 17, ("phenotypes",), within="judgment"),
    "audit": Stage(audit_run, 25, ("advice",), within="judgment"),
    "values": Stage(estimate_values, 11, ("agents", "baselines", "ablation", "clinicians")),
    "truth": Stage(roll_out_truth, 5, ("values",)),
    "frontier": Stage(roll_out_frontier, 7, ("truth",)),
    "judgment": Stage(judge_run, 7, ("values", "advice")),
    "evaluation": Stage(compare, 3, ("truth", "frontier", "audit", "judgment")),
}
