"""The forms of names and ids of what a plan may make, as regular expressions."""

from transfergrid.planning.external import EXTERNAL
from transfergrid.planning.outlined import OUTLINES
from transfergrid.planning.weighings import DRIFT, RESET

WORD = r"[A-Za-z0-9][A-Za-z0-9_.]*"
CELL = rf"{WORD}-{WORD}-{WORD}-drop\d+-{WORD}-seed\d+(?:-fold\d+)?-[0-9a-f]{{8}}"
DATASET_ID = rf"{WORD}-[0-9a-f]{{8}}"
WEIGHTS_ID = rf"{WORD}-{WORD}-[0-9a-f]{{8}}"
TUNING_ID = rf"{WORD}-{WORD}-{WORD}-drop\d+-{WORD}(?:-fold\d+)?-[0-9a-f]{{8}}"
FEATURES_ID = rf"{WORD}-{WORD}-{WORD}-drop\d+-(?:pooled|map)-[0-9a-f]{{8}}"
STATE_ID = rf"{WORD}-{WORD}-{WORD}-drop\d+-(?:initial|final)-[0-9a-f]{{8}}"
_MEASURED = rf"{WORD}-{WORD}-{WORD}-drop\d+"
DRIFT_ID = rf"{_MEASURED}-{DRIFT}-[0-9a-f]{{8}}"
RESET_ID = rf"{_MEASURED}-{RESET}-[0-9a-f]{{8}}"
OUTLINES_ID = rf"{_MEASURED}-{OUTLINES}-[0-9a-f]{{8}}"
EXTERNAL_ID = rf"{_MEASURED}-{EXTERNAL}-[0-9a-f]{{8}}"
WEIGHING_ID = rf"{_MEASURED}-(?:{DRIFT}|{RESET}|{OUTLINES}|{EXTERNAL})-[0-9a-f]{{8}}"
STAMP = r"[A-Za-z0-9_.-]+\.[a-z]+\.[0-9a-f]{8}"
STUDY = r"[A-Za-z][A-Za-z0-9_]*"
