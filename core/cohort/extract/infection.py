"""Suspicion of infection: an antibiotic with a culture up to 72 h before it or 24 h after it (Seymour et al. 2016).

As in the public reference concepts: the time is the earliest such culture's where it came first, else the antibiotic's;
an antibiotic counts for the stay in which it starts. Sepsis-3 (Singer et al. 2016) is a SOFA of 2 or more, the score
before infection taken as 0, within 48 h before to 24 h after the suspicion.
"""

from __future__ import annotations

from core.cohort.extract.work import Work, hours

BEFORE, AFTER = 48.0, 24.0  # hours around the suspicion in which the SOFA counts
CULTURE_BEFORE, CULTURE_AFTER = 72, 24

# Stems of systemic antibiotics, generic and trade names (after the MIMIC code repository's list).
ANTIBIOTICS = (
    "adoxa", "ala-tet", "alodox", "amikacin", "amikin", "amoxicill", "amphotericin", "anidulafungin", "ancef",
    "clavulanate", "ampicillin", "augmentin", "avelox", "avidoxy", "azactam", "azithromycin", "aztreonam", "axetil",
    "bactocill", "bactrim", "bactroban", "bethkis", "biaxin", "bicillin l-a", "cayston", "cefazolin", "cedax",
    "cefoxitin", "ceftazidime", "cefaclor", "cefadroxil", "cefdinir", "cefditoren", "cefepime", "cefotan", "cefotetan",
    "cefotaxime", "ceftaroline", "cefpodoxime", "cefpirome", "cefprozil", "ceftibuten", "ceftin", "ceftriaxone",
    "cefuroxime", "cephalexin", "cephalothin", "cephapririn", "chloramphenicol", "cipro", "claforan", "clarithromycin",
    "cleocin", "clindamycin", "cubicin", "dicloxacillin", "dirithromycin", "doryx", "doxycy", "duricef", "dynacin",
    "ery-tab", "eryped", "eryc", "erythrocin", "erythromycin", "factive", "flagyl", "fortaz", "furadantin", "garamycin",
    "gentamicin", "kanamycin", "keflex", "kefzol", "ketek", "levaquin", "levofloxacin", "lincocin", "linezolid",
    "macrobid", "macrodantin", "maxipime", "mefoxin", "metronidazole", "meropenem", "methicillin", "minocin",
    "minocycline", "monodox", "monurol", "morgidox", "moxatag", "moxifloxacin", "mupirocin", "myrac", "nafcillin",
    "neomycin", "nicazel doxy 30", "nitrofurantoin", "norfloxacin", "noroxin", "ocudox", "ofloxacin", "omnicef",
    "oracea", "oraxyl", "oxacillin", "pc pen vk", "pce dispertab", "panixine", "pediazole", "penicillin", "periostat",
    "pfizerpen", "piperacillin", "tazobactam", "primsol", "proquin", "raniclor", "rifadin", "rifampin", "rocephin",
    "smz-tmp", "septra", "solodyn", "spectracef", "streptomycin", "sulfadiazine", "sulfamethoxazole", "trimethoprim",
    "sulfatrim", "sulfisoxazole", "suprax", "synercid", "tazicef", "tetracycline", "timentin", "tobramycin", "unasyn",
    "vancocin", "vancomycin", "vantin", "vibativ", "vibra-tabs", "vibramycin", "zinacef", "zithromax", "zosyn", "zyvox",
)  # fmt: skip
NOT_SYSTEMIC = ("cream", "desensitization", "ophth oint", "gel")
TOPICAL_ROUTES = ("OU", "OS", "OD", "AU", "AS", "AD", "TP")


def suspect(work: Work) -> None:
    """Table `suspicion` (stay_id, h): every suspicion of infection of a stay, in hours from its admission."""
    timed = f"""culture.time IS NOT NULL AND antibiotic.time > culture.time
                AND antibiotic.time <= culture.time + INTERVAL {CULTURE_BEFORE} HOUR"""
    dated = f"""culture.time IS NULL AND CAST(antibiotic.time AS DATE) >= culture.day
                AND CAST(antibiotic.time AS DATE) <= culture.day + {CULTURE_BEFORE // 24}"""
    timed_after = f"""culture.time IS NOT NULL AND antibiotic.time >= culture.time - INTERVAL {CULTURE_AFTER} HOUR
                      AND antibiotic.time < culture.time"""
    dated_after = f"""culture.time IS NULL AND CAST(antibiotic.time AS DATE) >= culture.day - {CULTURE_AFTER // 24}
                      AND CAST(antibiotic.time AS DATE) <= culture.day"""
    work.db.execute(f"""
        CREATE TABLE suspicion AS
        WITH pair AS (
            SELECT antibiotic.subject_id, antibiotic.hadm_id, antibiotic.time, culture.day,
                   coalesce(culture.time, CAST(culture.day AS TIMESTAMP)) AS taken, culture.time IS NULL AS undated,
                   ({timed}) OR ({dated}) AS before
            FROM antibiotic JOIN culture ON antibiotic.subject_id = culture.subject_id
            WHERE ({timed}) OR ({dated}) OR ({timed_after}) OR ({dated_after})),
        matched AS (
            SELECT subject_id, hadm_id, time,
                   coalesce(arg_min(taken, (day, undated, taken)) FILTER (WHERE before), time) AS suspected
            FROM pair GROUP BY subject_id, hadm_id, time)
        SELECT DISTINCT stay_id, {hours("suspected", "intime")} AS h
        FROM matched JOIN stay ON stay.hadm_id = matched.hadm_id
        WHERE {hours("time", "intime")} >= 0 AND {hours("time", "intime")} < los
    """)
