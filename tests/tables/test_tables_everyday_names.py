"""Names that exports of hospitals and of open databases give their columns are known, each with what its values say."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import pandas as pd
import pytest

from core.cohort import simulate_cohort
from core.study import load_study
from core.tables.propose import propose_mapping

STUDY = load_study()

COLUMNS = {
    "Age": "age age_yrs age_y patient_age admit_age anchor_age age_at_icu_admission",
    "Gender": "gender sex patient_sex gender_code",
    "Weight": "weight_kg wt_kg body_weight bodyweight daily_weight admit_weight weight_admit admissionWeight",
    "Height": "height_cm ht_cm body_height admissionHeight",
    "MBP": (
        "map map_mmhg mbp_ni meanbp_mean nibp_mean ibp_mean abpm nbpm art_map mean_arterial_bp "
        "noninvasivemean systemicMean mean_bp_mmhg abp_m"
    ),
    "SBP": (
        "sbp sbp_mmhg sbp_ni sysbp_mean nibp_sys nibp_systolic ibp_systolic art_sys noninvasivesystolic "
        "systolic bp_systolic sys_bp abp_sys"
    ),
    "DBP": (
        "dbp dbp_mmhg dbp_ni diasbp_mean nibp_dia nibp_diastolic ibp_diastolic art_dia noninvasivediastolic "
        "diastolic bp_diastolic dias_bp abp_dia"
    ),
    "HR": "hr hr_bpm heart_rate heart_rate_bpm pulse pulse_rate heartrate_mean HeartRate",
    "Temperature": "temp temp_c temp_f temperature_celsius temp_celsius tempC_mean body_temp core_temp temp_degc",
    "RR": "rr resp resp_rate respiratory_rate respiratoryRate respRate_mean breaths_per_min resp_rate_bpm rr_bpm",
    "SpO2": (
        "spo2 spo2_pct spo2_percent o2_sat o2sat sats pulse_ox pulseox sat_o2 o2_saturation_pulseoxymetry spo2_mean"
    ),
    "Hb": "hgb hb hgb_gdl hgb_g_dl hemoglobin_value haemoglobin Hgb",
    "Platelets": (
        "plt plt_count platelet_count plts plt_ct plat platelets_k thrombocytes thrombocyte_count plt_k_ul "
        "platelets_10e9_l platelet_value"
    ),
    "WBC": "wbc wbc_count wcc white_cell_count white_count leucocytes leukocyte_count wbc_k_ul wbc_10e9_l wbcs",
    "Hematocrit": "hct hct_pct hematocrit_pct haematocrit hct_percent",
    "RDW": "rdw rdw_pct rdw_cv",
    "PTT": "ptt aptt ptt_sec aptt_sec aptt_s ptt_seconds aptt_seconds ptt_value",
    "INR": "inr pt_inr inr_value inr_pt",
    "PH": "ph ph_art abg_ph arterial_ph art_ph ph_abg",
    "PaO2": "pao2 pao2_mmhg po2_art abg_po2 art_po2 pO2 abg_pao2 po2_abg",
    "PaCO2": "paco2 paco2_mmhg pco2_art abg_pco2 art_pco2 pCO2 abg_paco2 pco2_abg",
    "Lactate": "lact lactate lactate_mmol lac lactate_mmol_l lactate_level serum_lactate blood_lactate lactate_value",
    "BaseExcess": "be base_excess baseexcess abg_be be_art",
    "HCO3": "hco3 bicarb bicarbonate serum_bicarb serum_bicarbonate tco2 co2_total hco3_meq_l hco3_mmol",
    "Chloride": "cl chloride serum_chloride chloride_meq_l cl_mmol",
    "Sodium": "na sodium serum_sodium sodium_meq_l na_mmol sodium_level",
    "Potassium": "k potassium serum_potassium potassium_meq_l k_mmol",
    "Glucose": "glucose gluc glu glucose_mgdl blood_sugar serum_glucose glucose_value bedside_glucose",
    "AnionGap": "aniongap anion_gap agap",
    "BUN": "bun bun_mgdl bun_mg_dl urea_nitrogen serum_urea_nitrogen bun_value",
    "Creatinine": "creat creatinine cr scr creat_mg_dl creatinine_mgdl serum_creat serum_creatinine creatinine_value",
    "Total Input": (
        "total_input intake_total total_intake input_total fluid_intake fluids_in fluid_in input_ml intake_ml"
    ),
    "Total Output": (
        "total_output output_total urine_output urine_ml uop urine_out urine_output_ml total_urine_output "
        "output_ml fluid_output"
    ),
    "Vasopressor": "vasopressor norepi_eq nee norepinephrine_equivalent_dose norepi_equiv norepinephrine_eq",
    "Ventilation": "vent on_vent mech_vent ventilator ventilated imv invasive_vent mechanical_ventilation vent_flag",
    "SOFA": "sofa sofa_score sofa_24h sofa_24hours total_sofa sofatotal",
}
STAYS = (
    "stay_id icustay_id patientunitstayid icu_stay_id stayid encounter_id csn visit_occurrence_id hadm_id encntr_id "
    "pat_enc_csn_id hospital_visit_id"
)
DOSES = "heparin_units heparin heparin_dose heparin_units_4h heparin_u heparin_total heparin_amount"
OUTCOMES = (
    "died dead hospital_expire_flag mortality death hosp_mort hospital_death death_hosp dead_90d died90 mort_90d "
    "icu_mortality mortality_inhospital deceased in_hosp_mortality"
)
FILES = [  # the n-th name of every column makes the n-th file
    {target: name for target, name in zip((*COLUMNS, "traj", "action", "outcome"), names, strict=True) if name}
    for names in zip_longest(*(text.split() for text in (*COLUMNS.values(), STAYS, DOSES, OUTCOMES)))
]


@pytest.fixture(scope="module")
def cohort() -> pd.DataFrame:
    made, _ = simulate_cohort(like="mimic-iv", n_patients=30, seed=0)
    return made.frame.assign(traj=pd.factorize(made.frame["traj"])[0])


@pytest.mark.parametrize("names", FILES, ids=lambda names: next(iter(names.values())))
def test_everyday_names_are_proposed_with_their_evidence(cohort: pd.DataFrame, names: dict[str, str]) -> None:
    died = (cohort.groupby("traj")["outcome"].transform("last") == -1).astype(int)
    units = np.asarray(STUDY.actions.representative)[cohort["action"]]
    given = cohort.assign(
        outcome=died if "outcome" in names else cohort["outcome"],
        action=units if "action" in names else cohort["action"],
    ).rename(columns=names)
    proposed = propose_mapping(given, STUDY)
    assert {one.target: one.source for one in proposed.proposals if one.target in names} == names
    evidence = proposed.evidence
    assert all("middle 90 %" in evidence[target] for target in names if target in COLUMNS)
    assert not proposed.doubts


def test_fahrenheit_is_read_as_such(cohort: pd.DataFrame) -> None:
    given = cohort.rename(columns={"Temperature": "temp_f"}).assign(temp_f=cohort["Temperature"] * 1.8 + 32)
    assert propose_mapping(given, STUDY).mapping.units["Temperature"] == "deg F"


@pytest.mark.parametrize("stay", STAYS.split())
def test_a_stays_key_goes_before_a_patients(cohort: pd.DataFrame, stay: str) -> None:
    """Where times stand in the place of steps names alone decide, and a patient's stays would be taken for one."""
    charted = pd.Timestamp("2020-01-01") + pd.to_timedelta(4 * cohort["step"], unit="h")
    given = cohort.assign(patient_id=cohort["traj"] // 2, charttime=charted).drop(columns="step")
    proposed = propose_mapping(given.rename(columns={"traj": stay}), STUDY)
    sources = {one.target: one.source for one in proposed.proposals}
    assert (sources["traj"], sources["subject"]) == (stay, "patient_id")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("Gender", "is_male"),  # 1 would be read as female
        ("BUN", "urea"),  # in mg/dL it is no urea nitrogen, and would fit
        ("Vasopressor", "vaso"),  # a flag would be read as a dose
        ("HR", "hr_max"),
        ("HR", "heart_rate_count"),
        ("Glucose", "csf_glucose"),
    ],
)
def test_a_name_that_may_mean_something_else_is_left_to_the_user(cohort: pd.DataFrame, target: str, name: str) -> None:
    proposed = propose_mapping(cohort.rename(columns={target: name}), STUDY)
    assert target in proposed.lacking
