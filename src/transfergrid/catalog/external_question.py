"""The question whether what is found at home holds on films of other hospitals."""

from __future__ import annotations

from transfergrid.catalog.axes import PLACE
from transfergrid.catalog.question_kind import Asked, Question, QuestionKind
from transfergrid.catalog.records import Column, Table
from transfergrid.runtime.errors import UserError

_SHARED = Column(
    "architecture, pretraining, truncation, protocol",
    "what the cells share; empty for the axis itself, and `architecture` for a mean over networks",
)
_ABOUT = (
    Column("question", "the study's question; p-values are adjusted within it"),
    Column("metric", "the metric"),
    Column("dataset, tested_on", "the cells' own data set, and the other one"),
)
_GIVEN = Column("conditional_on", "what the intervals take as given, as in `contrasts.csv`")

EXTERNAL_ARMS = Table(
    name="external_arms",
    rows=(
        "One row per arm of an `external` question and data set of another hospital; what is about "
        "all arms is in each row."
    ),
    caption=(
        "For each arm the mean over seeds of its value on its own test films and on those of "
        "another hospital, its rank among all arms on either, and the drop, whose interval adds "
        "the variances of both sets of patients and of the seeds. Kendall's tau and Spearman's rho "
        "say how alike the two orders are; their intervals are percentiles under draws of the "
        "patients of both sets and of seeds."
    ),
    columns=(
        *_ABOUT,
        Column("axis, arm", "the question's axis, and the value of it that the row is about"),
        Column("n_cells, n_seeds", "networks that it is a mean over, and their seeds"),
        Column("internal, external", "mean value on the own test films, and on the others"),
        Column(
            "drop, drop_low, drop_high",
            "`internal` minus `external` or, of a metric of which less is better, the other way "
            "round: above 0 is worse there. Its interval, not adjusted",
        ),
        Column(
            "p_drop, p_drop_adjusted", "p-value of no drop; by Holm's method within the question"
        ),
        Column("verdict", "`worse`, `better` (there than at home) or `undecided`"),
        Column("rank_internal, rank_external", "its rank among the arms, 1 the best"),
        Column("n_arms", "arms that are ranked"),
        Column(
            "tau, tau_low, tau_high",
            "Kendall's tau of the two orders, and its interval; empty for a single arm, and the "
            "interval for two, whose pair is in `external_pairs.csv`",
        ),
        Column("rho, rho_low, rho_high", "Spearman's rho, as tau"),
        Column("n_patients_internal, n_patients_external", "patients behind the values"),
        _GIVEN,
        _SHARED,
    ),
)

EXTERNAL_PAIRS = Table(
    name="external_pairs",
    rows="One row per pair of arms of an `external` question; `a` is the better one at home.",
    caption=(
        "Each pair of arms on its own test films and on those of another hospital: the difference "
        "on either, and whether the pair keeps its order. A swap is told apart from noise by Gail "
        "and Simon's test of a qualitative interaction, for which both differences must be surely "
        "of opposite signs; that an order is kept, where both are surely of one sign."
    ),
    columns=(
        *_ABOUT,
        Column("axis, a, b", "the question's axis, and two of its values"),
        Column("n_cells, n_seeds", "pairs of networks, and seeds that both arms share"),
        Column(
            "internal, internal_low, internal_high, p_internal",
            "`a` minus `b` on the own test films, with interval and p-value of no difference",
        ),
        Column("external, external_low, external_high, p_external", "the same on the others"),
        Column("order", "`kept`, `swapped` or `tied`, as the estimates say"),
        Column(
            "p_swap, p_swap_adjusted",
            "p-value of no swap (Gail and Simon), 1 where the order is kept; by Holm's method "
            "within the question",
        ),
        Column(
            "p_kept, p_kept_adjusted",
            "the larger of the two p-values of no difference, 1 where the pair swaps; by Holm's "
            "method within the question",
        ),
        Column("verdict", "`swapped`, `kept` or `undecided`, at the adjusted level"),
        _GIVEN,
        _SHARED,
    ),
)


def _tested(asked: Asked, question: Question) -> bool:
    """Tell whether any cell of a question is tested elsewhere."""
    return any(
        point.matches(question["where"]) and point.matches(block["where"])
        for block in asked.external
        for point in asked.points
    )


def _check(question: Question, asked: Asked) -> None:
    if not asked.external:
        raise UserError(
            f"{asked.start} asks what holds on films of other hospitals, and the study tests no "
            "cell there; name their data sets under external, or leave the question out."
        )
    if not _tested(asked, question):
        raise UserError(
            f"{asked.start} is about cells none of which external tests elsewhere; let the where "
            "of one of them name the other's."
        )


EXTERNAL_QUESTION = QuestionKind(
    name="external",
    answer="transfergrid.statistics.external:external",
    tell="transfergrid.reporting.page.external_answers",
    keys={
        "axis": {
            "description": "Axis whose values are the arms; cells agree in all others.",
            "enum": [axis for axis in PLACE if axis != "dataset"],
            "default": "architecture",
        },
    },
    check=_check,
    table="external_arms",
    beside=("external_pairs",),
    shown=("external_pairs",),
)
