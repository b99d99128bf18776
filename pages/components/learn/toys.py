"""The toys of the Learn page: sliders, picture, equation, a question for the class, and the engine's own source."""

from __future__ import annotations

import numpy as np

from core.evaluation import support_light
from core.experiments.estimator_evidence import ESS_FLOOR
from core.figures.learn import attention_figure, cluster_figure, dueling_figure, fusion_figure, weights_figure
from core.figures.theme import fmt, fmt_interval, fmt_lambda, fmt_percent
from core.learn.toys import (
    CENTERS,
    EXPERTS,
    STEPS,
    attention_toy,
    cluster_toy,
    dueling_toy,
    fusion_toy,
    weights_toy,
)
from pages.components.learn.lesson import lesson, numbers_and_picture, show_function, slots, toy_of_a_lesson
from pages.components.shell.estimates import NEAR_UNIFORM
from pages.components.shell.export import metric, show
from pages.components.shell.held import held, held_number

DOSES = ("no drug", "low dose", "high dose")
NAMES = ("none", "low", "high")  # of the doses in the link
MS_A = 0  # her place among the simulated patients
TAUS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
FEWEST_SAID = 0.01  # of a stay
STAYS = (100, 500, 2000, 10000)
LAMBDAS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 50.0, np.inf)


def attention() -> None:
    """How a stay becomes one vector."""
    lesson(
        "Attention: which steps stand for the stay",
        "**Ms. A**, who is invented, leads through these lessons: 64 years, septic, few platelets. Eight steps of her "
        "lactate are drawn beside; at the fourth it is 12. Which of them should stand for her?",
        "An encoder reads a stay step by step. It turns each step into numbers h (here one: the value drawn) and "
        "a score a; the softmax of the scores is how much the step counts, and the stay is represented by the weighted "
        "average. At step t only the steps so far count: that is what *prospective* means in this app.",
        (r"w_t = \frac{e^{a_t}}{\sum_s e^{a_s}}", r"z = \sum_t w_t\, h_t"),
        "With score 0 everywhere, what is the attention average? Where does it go as one score grows?",
        "The plain average. As one score grows it moves to the value of that step, but only from that step on.",
        _attention,
    )
    show_function(("core/encoder/layers.py", "masked_softmax"), ("core/encoder/layers.py", "running_average"))


@toy_of_a_lesson
def _attention() -> None:
    first, second = slots(2)
    step = first.slider("Step that stands out", 1, STEPS, **held_number("learn-step", 1, STEPS, 4))
    strength = second.slider("Its score", -3.0, 6.0, step=0.5, **held_number("learn-strength", -3.0, 6.0, 2.0))
    toy = attention_toy(step - 1, strength)
    show(
        attention_figure(toy.value, toy.weight, toy.running, toy.plain),
        "learn-attention",
        f"Step {step} has {100 * toy.weight[step - 1]:.0f} % of the attention; the whole stay is represented by "
        f"{toy.running[-1]:.1f}, its plain average is {toy.plain[-1]:.1f}.",
        caption=f"Step {step} holds {fmt_percent(toy.weight[step - 1])} of the weight. Until it happens the attention "
        "average is the plain one: nobody can attend to the future.",
    )


def clusters() -> None:
    """KMeans, and the trap of a representation that is a clock."""
    lesson(
        "Phenotypes: KMeans, and the trap of the clock",
        "**Ms. A** is one point now, the star. Whom is she like: those near her, or those who stayed as long?",
        "KMeans puts each patient to the nearest center, moves each center to the middle of its patients, and repeats. "
        "It always finds clusters. Whether they are phenotypes is another question: a representation that carries the "
        "length of stay gives clusters of stay lengths, as tidy as any.",
        (
            r"\min_{\mu}\ \sum_i \min_k \lVert z_i - \mu_k \rVert^2",
            r"\eta^2 = \frac{\text{variance between clusters}}{\text{variance}}",
        ),
        "Three hidden groups are in these patients. Which number tells you that the clusters have found them, and "
        "which number could you know for real patients?",
        "The agreement tells, but only simulated patients have known groups. η² can be known for everyone: a high one "
        "says that the clusters are stay lengths. The squared distance says neither.",
        _clusters,
    )
    show_function(("core/phenotypes/stability.py", "nearest"), ("core/base/statistics.py", "eta_squared"))


@toy_of_a_lesson
def _clusters() -> None:
    first, second, third = slots(3)
    k = first.slider("Clusters K", 2, 6, **held_number("learn-k", 2, 6, 3))
    rounds = second.slider("Iterations", 0, 12, **held_number("learn-rounds", 0, 12, 0))
    clock = third.slider(
        "How much of a clock the representation is", 0.0, 1.0, step=0.1, **held_number("learn-clock", 0.0, 1.0, 0.0)
    )
    toy = cluster_toy(k, rounds, clock)
    numbers, picture = numbers_and_picture()
    basis = f"n = {len(toy.points)}, simulated"
    with numbers:
        metric("Squared distance to centers", toy.inertia, digits=1, estimator=f"{basis}; no iteration raises it")
        metric("Agreement with hidden groups", toy.agreement, estimator=f"ARI; {basis}; 1 is perfect, 0 is chance")
        metric("η² of the length of stay", toy.clock, estimator=f"{basis}; 0 is right, 1 is a clock")
    with picture:
        show(
            cluster_figure(toy.points, toy.labels, toy.centers, MS_A),
            "learn-clusters",
            f"180 simulated patients in {k} clusters after {rounds} iterations; agreement {toy.agreement:.2f}, eta "
            f"squared of stay length {toy.clock:.2f}.",
            caption="Large marks are the centers, the star is Ms. A. Turn the clock up: KMeans cuts what is now a band "
            "into pieces of stay length, as readily as it found the groups, while η² rises and agreement falls. The "
            "published encoder was such a clock; the Phenotypes page shows both numbers for every run.",
        )


def dueling() -> None:
    """Dueling Q and what a softmax makes of it."""
    lesson(
        "Dueling Q: how good is the state, how much better is the dose",
        "The agent of the phenotype looks at **Ms. A**: V is what it expects of her stay, A what each dose adds to it.",
        "The network has two heads: V, what the state is worth, and A, how much better each dose is than the others. "
        "The policy is the softmax of Q. Where Q hardly differs between doses, a softmax at temperature 1 hardly "
        "prefers any: doses are drawn almost evenly, even where one is the likeliest.",
        (r"Q(s,a) = V(s) + A(s,a) - \tfrac{1}{|A|}\sum_b A(s,b)", r"\pi(a|s) \propto e^{Q(s,a)/\tau}"),
        "What happens to the policy when V rises by 5? When all three advantages rise by 1?",
        "Nothing, both times: V is the same for every dose, and what all advantages share is subtracted.",
        _dueling,
    )
    show_function(
        ("core/agents/policy.py", "action_probs"),
        ("core/agents/networks.py", "Networks._combine"),
        ("core/agents/targets.py", "double_target"),
    )


@toy_of_a_lesson
def _dueling() -> None:
    columns = slots(5)
    value = columns[0].slider("V", -10.0, 10.0, step=0.5, **held_number("learn-v", -10.0, 10.0, 4.0))
    starts = (0.2, 0.0, -0.2)
    advantages = tuple(
        columns[i + 1].slider(
            f"A, {dose}", -3.0, 3.0, step=0.1, **held_number(f"learn-a-{NAMES[i]}", -3.0, 3.0, starts[i])
        )
        for i, dose in enumerate(DOSES)
    )
    temperature = columns[4].select_slider("Temperature τ", TAUS, **held("learn-tau", TAUS, 1.0))
    toy = dueling_toy(value, advantages, temperature)
    show(
        dueling_figure(value, toy.q, toy.policy, DOSES),
        "learn-dueling",
        "Q: "
        + ", ".join(f"{d} {q:.2f}" for d, q in zip(DOSES, toy.q, strict=True))
        + "; policy: "
        + ", ".join(f"{d} {100 * p:.0f} %" for d, p in zip(DOSES, toy.policy, strict=True)),
        caption=f"Entropy: {fmt_percent(toy.entropy)} of that of an even draw (dotted line), which knows no preference."
        + (" Such a policy is called near-uniform in this app." if toy.entropy >= NEAR_UNIFORM else ""),
    )


def fusion() -> None:
    """Lambda: from the average of the experts to the nearest one."""
    lesson(
        "Fusion λ: whom to ask, and how sharply",
        "**Ms. A** stands between the phenotypes. Move her, and hear what each of the three agents says of her dose.",
        "Each phenotype has its own policy. A patient between phenotypes hears all of them, weighted by distance: λ "
        "says how sharply. λ = 0 averages, a large λ leaves the nearest one alone.",
        (r"w_k = \frac{e^{-\lambda d_k}}{\sum_j e^{-\lambda d_j}}", r"\pi = \sum_k w_k\, \pi_k"),
        "The published λ is 15. With distances near 1, how much does the second-nearest expert still have to say?",
        "It depends on how much farther it is: 0.1 farther, and it has 22 % of the nearest one's weight "
        "(e to the power of -1.5); 0.3 farther, 1 %.",
        _fusion,
    )
    show_function(("core/fusion/weights.py", "fusion_weights"), ("core/fusion/weights.py", "fuse"))


@toy_of_a_lesson
def _fusion() -> None:
    first, second, third = slots(3)
    x = first.slider("Patient, left to right", -1.5, 1.5, step=0.1, **held_number("learn-x", -1.5, 1.5, -0.3))
    y = second.slider("Patient, down to up", -1.2, 1.5, step=0.1, **held_number("learn-y", -1.2, 1.5, 0.0))
    lambda_ = third.select_slider("λ", LAMBDAS, format_func=fmt_lambda, **held("learn-lambda", LAMBDAS, 2.0))
    toy = fusion_toy(x, y, lambda_)
    show(
        fusion_figure(CENTERS, toy.place, toy.weights, np.vstack([EXPERTS, toy.policy]), DOSES),
        "learn-fusion",
        "Weights: "
        + ", ".join(f"phenotype {k} {100 * w:.1f} %" for k, w in enumerate(toy.weights))
        + "; fused: "
        + ", ".join(f"{d} {100 * p:.0f} %" for d, p in zip(DOSES, toy.policy, strict=True)),
        caption="Distances "
        + ", ".join(f"{fmt(d)}" for d in toy.distances)
        + ". Two phenotypes at equal distance share the weight at any λ.",
    )


def weights() -> None:
    """Importance weights, why they collapse, and how far one may depart from the clinicians."""
    lesson(
        "Importance weights: why evidence runs out",
        "The fused policy gives **Ms. A** more of the drug than her clinicians did. What is that worth? Only patients "
        "who happened to be treated so can tell.",
        "To value a policy from what clinicians did, each recorded stay is weighted by how much likelier the policy "
        "would have made it. The ratio multiplies at every step, so after a few steps a handful of stays carries "
        "everything. The effective sample size (ESS) says how many stays the estimate (PHWIS, their weighted "
        "mean) really rests on. The trust frontier walks from the clinicians to the policy only as far as enough of it "
        "is left.",
        (
            r"\rho = \prod_t \frac{\pi(a_t|s_t)}{\pi_b(a_t|s_t)}",
            r"\mathrm{ESS} = \frac{(\sum_i \rho_i)^2}{\sum_i \rho_i^2} \approx n\, \mathbb{E}[\rho_t^2]^{-T}",
        ),
        "Clinicians give the drug in 15 % of steps, the policy in 60 %. Of 500 stays of 16 steps, how many are left?",
        "Each step leaves 1 in 2.59 of the evidence: after 16 steps, of 500 stays far less than one. The ESS of the "
        "sample still says a few, because the stays that would outweigh all others are so rare that none was drawn.",
        _weights,
    )
    show_function(
        ("core/evaluation/aligned.py", "cumulative_log_ratios"),
        ("core/evaluation/weighting.py", "trajectory_weights"),
        ("core/evaluation/weighting.py", "summarise"),
        ("core/fusion/frontier.py", "between"),
    )


@toy_of_a_lesson
def _weights() -> None:
    columns = slots(5)
    clinicians = columns[0].slider("Clinicians give the drug (%)", 5, 95, step=5, **held_number("learn-b", 5, 95, 15))
    wanted = columns[1].slider("The policy gives it (%)", 5, 95, step=5, **held_number("learn-p", 5, 95, 60))
    deviation = columns[2].slider(
        "How far toward the policy, a", 0.0, 1.0, step=0.05, **held_number("learn-a", 0.0, 1.0, 1.0)
    )
    steps = columns[3].slider("Steps in a stay", 1, 16, **held_number("learn-t", 1, 16, 16))
    n = columns[4].select_slider("Recorded stays", STAYS, **held("learn-n", STAYS, 500))
    toy = weights_toy(clinicians / 100, wanted / 100, deviation, steps, n)
    estimate = toy.estimate
    numbers, picture = numbers_and_picture()
    with numbers:
        grade = support_light(estimate, ESS_FLOOR).grade
        low, high = estimate.low, estimate.high
        metric("PHWIS", estimate.value, low=low, high=high, ess=estimate.ess, n=estimate.n, estimator=grade)
        inside = low <= toy.truth <= high
        metric("True value (exact)", toy.truth, estimator="inside the interval" if inside else "outside the interval")
        metric("Largest weight", estimate.max_weight, text=fmt_percent(estimate.max_weight), estimator="of one stay")
        left = n * float(toy.expected_ess[-1])
        metric(
            "Stays left, expected",
            left,
            text=f"{left:.2g}" if left >= FEWEST_SAID else f"< {FEWEST_SAID:g}",
            estimator=f"of {n:,}; ESS of many such samples",
        )
    with picture:
        show(
            weights_figure(toy.used, toy.expected_ess),
            "learn-weights",
            f"ESS {estimate.ess:.1f} of {n} stays; estimate {estimate.value:.2f} {fmt_interval(low, high)}, "
            f"true value {toy.truth:.2f}.",
            caption="Simulated stays: each step with the drug earns 1, with noise. Left: how fast the heaviest stays "
            "use the estimate up. Right: what to expect of the ESS; each further step multiplies it by the same "
            "factor. The ESS of one sample (the card) looks better than that: the stays that would outweigh all "
            "others are not in it, and resampling cannot show them. A narrow interval is then no comfort.",
        )
