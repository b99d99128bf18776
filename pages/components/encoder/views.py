"""What the encoder learned: losses, reconstruction of single patients, attention over time, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.base.text import markdown
from core.figures.encoder import attention_bars, attention_heatmap, error_bars, loss_curves
from core.figures.encoder import reconstruction as reconstruction_figure
from core.figures.theme import fmt
from pages.components.shell.controls import patient_select
from pages.components.shell.export import metric, show, table
from pages.components.shell.frame import empty
from pages.components.shell.held import held_many
from pages.components.shell.panels import panel
from pages.components.shell.patients import longest_unseen

if TYPE_CHECKING:
    from core.icu.view import RunView

SHOWN = 9  # small multiples drawn at first
SAMPLE = 2000  # patients behind the error chart


@panel
def training(run: RunView) -> None:
    """Loss curves and the parameters that the run used."""
    history = run.encoder_history
    if history.empty:
        empty("No training history", "This run used an encoder that was loaded, or its history was not kept.")
    else:
        best = history.iloc[int(np.nanargmin(history["valid_loss"].to_numpy(float)))]
        left, right = st.columns([3, 1])
        with left:
            show(
                loss_curves(history, run=run.manifest.name, height=360),
                "encoder-losses",
                "Training and validation loss by epoch; the star marks the kept epoch.",
                caption="The epoch with the lowest validation loss is kept (star). Training loss is measured with "
                "dropout on, so it may lie above the validation loss.",
                data=history,
            )
        with right:
            n_train, n_valid = len(run.split.train), len(run.split.valid)
            metric("Kept epoch", best["epoch"], digits=0, n=n_train, estimator="training patients", fill=False)
            metric("Loss", best["valid_loss"], digits=4, n=n_valid, estimator="validation patients", fill=False)
    _parameters(run)


def _parameters(run: RunView) -> None:
    config = run.config.encoder
    rows = [
        {"parameter": name, "value": str(getattr(config, name)), "meaning": field.description or ""}
        for name, field in type(config).model_fields.items()
    ]
    table(
        pd.DataFrame(rows),
        "encoder-parameters",
        caption=f"Parameters of the encoder ({config.model_name}); z has {run.z.shape[1]} numbers.",
        column_config={"meaning": st.column_config.TextColumn(width="large")},
    )


@panel
def reconstruction(run: RunView) -> None:
    """Recorded against reconstructed course of one patient, and the typical error of each column."""
    study = run.study
    names = [column.name for column in study.columns if column.kind == "temporal"]
    left, right = st.columns([1, 2])
    with left:
        patient = patient_select(run, "encoder-patient")
    with right:
        first = [name for name in study.highlights if name in names]
        first += [name for name in names if name not in first]
        columns = st.multiselect("Columns", names, **held_many("encoder-columns", names, first[:SHOWN]))
    if patient is None:
        patient = longest_unseen(run, np.arange(run.cohort.n_patients))
        st.caption(f"Nobody is chosen: this is patient {markdown(run.cohort.patients[patient])}, held out if possible.")
    if columns:
        _one_patient(run, patient, columns)
    _errors(run)


def _one_patient(run: RunView, patient: int, columns: list[str]) -> None:
    study, position = run.study, np.array([patient])
    real = run.trajectories.mask[patient]
    rebuilt = run.trajectories.states[patient].copy()
    rebuilt[:, study.n_static :] = run.encoder().reconstruct(run.trajectories.subset(position))[0]
    pick = [study.index(name) for name in columns]
    true = run.cohort.states[run.cohort.rows(patient)][:, pick]
    guess = run.scaler.unscale(rebuilt)[real][:, pick]
    hours = run.cohort.hours[run.cohort.rows(patient)]
    data = pd.DataFrame({"patient": run.cohort.patients[patient], "hours": hours})
    for i, name in enumerate(columns):
        data[name], data[f"{name} (reconstructed)"] = true[:, i], guess[:, i]
    show(
        reconstruction_figure(study, hours, true, guess, columns),
        "encoder-reconstruction",
        f"Recorded and reconstructed values of {len(columns)} columns over {len(true)} steps of one patient.",
        caption=f"Solid: recorded; dashed: the encoder's picture. Green: reference range. This patient was in the "
        f"{run.split_name[patient]} set. {_picture(run)}",
        data=data,
    )


def _picture(run: RunView) -> str:
    """What a reconstruction is made from, which differs between the models."""
    if run.config.encoder.model_name == "seq2seq":
        return "The picture is made from the vector and the encoder's outputs, step after step."
    return "The picture of a step is made from the vector and the recorded step before, so it follows one step behind."


@st.cache_data(max_entries=8, ttl="6h", show_spinner="Measuring the reconstruction ...")
def _error_table(path: str, data_hash: str, _run: RunView) -> pd.DataFrame:
    """Root mean squared error by column on held-out patients, from their second step on, as a share of the range."""
    patients = _run.split.test[:SAMPLE] if len(_run.split.test) else _run.split.valid[:SAMPLE]
    part, train = _run.trajectories.subset(patients), _run.trajectories.subset(_run.split.train)
    mean = train.temporal[train.mask].mean(axis=0, dtype=np.float64)
    later = part.mask[:, 1:]
    true = part.temporal[:, 1:][later].astype(np.float64)
    guesses = {
        "error": _run.encoder().reconstruct(part)[:, 1:][later],
        "mean_guess": mean,
        "last_value": part.temporal[:, :-1][later],
    }
    # Scaled columns span 2 units over the training patients.
    errors = {name: np.sqrt(((true - guess) ** 2).mean(axis=0)) / 2 for name, guess in guesses.items()}
    names = [column.name for column in _run.study.columns if column.kind == "temporal"]
    return pd.DataFrame({"column": names, **errors, "n": len(true)})


def _errors(run: RunView) -> None:
    if not len(run.split.test) and not len(run.split.valid):
        st.caption("No held-out patients in this run, so no error is shown.")
        return
    errors = _error_table(str(run.path), run.manifest.data_hash, run)
    show(
        error_bars(errors),
        "encoder-errors",
        "Bars: root mean squared reconstruction error of every temporal column; marks: guesses that need no model.",
        caption=f"Held-out patients, {int(errors['n'].max()):,} steps. Where a bar reaches the diamond, nothing of the "
        f"column was kept; a bar left of the tick beats repeating the value before. {_picture(run)}",
        data=errors,
    )


@panel
def attention(run: RunView) -> None:
    """Attention of one patient and the average by length of stay."""
    study = run.study
    weights = np.asarray(run.attention)
    lengths = run.cohort.lengths
    left, right = st.columns(2)
    with left:
        patient = patient_select(run, "encoder-attention-patient")
        shown = longest_unseen(run, np.arange(run.cohort.n_patients)) if patient is None else patient
        own = weights[shown, : lengths[shown]]
        hours = run.cohort.hours[run.cohort.rows(shown)]
        show(
            attention_bars(hours, own, patient=str(run.cohort.patients[shown]), step_hours=study.step_hours),
            "encoder-attention-one",
            "Bars of one patient's attention weights by step.",
            caption=f"Weights sum to 1; dashed: an even share. Largest: {fmt(float(own.max()))} at "
            f"{hours[own.argmax()]:g} h.",
            data=pd.DataFrame({"patient": run.cohort.patients[shown], "hours": hours, "weight": own}),
        )
    with right:
        _attention_by_length(run, weights, lengths)


def _attention_by_length(run: RunView, weights: np.ndarray, lengths: np.ndarray) -> None:
    hours, (present, row) = run.cohort.axis.hours, np.unique(lengths, return_inverse=True)
    stay, step = np.nonzero(run.slots >= 0)
    cell, shape = (row[stay], run.slots[stay, step]), (len(present), len(hours))
    total, n = np.zeros(shape), np.zeros(shape)
    np.add.at(total, cell, weights[stay, step])
    np.add.at(n, cell, 1)
    means = np.divide(total, n, out=np.full(shape, np.nan), where=n > 0)
    data = pd.DataFrame(means, columns=[f"{hour:g} h" for hour in hours])
    data.insert(0, "steps", present)
    show(
        attention_heatmap(hours, means, present),
        "encoder-attention-all",
        "Heat map of mean attention by hour and length of stay.",
        caption="A row that is bright at its end means that z mostly reports the last state, "
        "and so how long the stay was."
        + (" Stays of one length start, and so end, at different hours here." if run.cohort.timed else ""),
        data=data,
    )
