"""What a registry says of its words comes from its own definition."""

from __future__ import annotations

import tomllib

from core.registry import RegistrySpec, load_registry_spec
from core.registry.cohort.definitions import ORDER_UNTOLD, definitions, drugs_by_decision
from tests.registry import event_world


def test_the_transplant_registry_says_what_its_words_mean() -> None:
    told = definitions(load_registry_spec(), True, 7)
    assert told["Source"] == "Source: simulated by this program (seed 7)."
    assert told["Stages"].startswith("Stages, in days from the transplant: 100 days (day 100), 6 months (day 180), ")
    assert told["Stages"].endswith("Nothing is decided at 4 years: it is the end of follow-up.")
    assert "Acute GVHD treatment among 18 drugs at 100 days and 6 months;" in told["Treatments"]
    assert "GVHD prophylaxis among 14 drugs at transplant, only predicted;" in told["Treatments"]
    assert told["Outcome"].endswith(
        ": alive, none of these = 1; Acute GVHD = 0.8; Chronic GVHD = 0.7; Relapse = 0; dead = 0."
    )


def test_another_registry_says_its_own_and_what_its_file_does_not_tell() -> None:
    spec = RegistrySpec.from_values(tomllib.loads(event_world.SPEC), "public")
    told = definitions(spec, False, 0)
    assert told["Source"] == "Source: a file of recorded patients."
    assert told["As of"] == ORDER_UNTOLD
    assert told["Treatments"].startswith("Treatments: GVHD prophylaxis among 5 drugs at transplant. ")
    assert "GVHD prophylaxis: the last decision earns all rewards to the end of follow-up." in told["Outcome"]
    assert drugs_by_decision(spec) == {"GVHD prophylaxis": "tacrolimus, cyclosporine, MTX, MMF, PTCy"}
