"""Words that the tables of answers hold and the page reads.

They stand apart, so that the page starts without the libraries that made the answers.
"""

from __future__ import annotations

MEAN = "mean"
ALONE = "alone"
"""The mean over the networks of a group, and over a group of one."""
NON_INFERIOR, NO_LOSS_FOUND = "non_inferior", "no_loss_found"
"""Rules that choose a network's cut."""
WITHOUT = "without_fold_"
"""The beginning of a flag that names a fold left out of a value."""
AGREE, DISAGREE, APART, UNTOLD = "agree", "disagree", "apart", "untold"
"""What a correlation pooled over data sets says beside the one within them."""
FIRST, SECOND, CHANGE = "first_difference", "second_difference", "change"
"""Two differences, and what the first has beyond the second."""
LARGEST, REST = "largest against smallest", "against the rest"
"""What a row of subgroup_gaps.csv compares."""
TOGETHER = "all together"
"""What a row of shortcuts.csv is predicted by where that is every column at once."""


def quantity(name: str, rule: str) -> str:
    """Return what findings.csv calls the quantity that is estimated at the cut a rule chooses."""
    return f"{name}_{rule}"


def compared_by(measure: str, layer: str, pair: str) -> str:
    """Return how a similarity is named at the end of what a correlation with gain is about."""
    return f"{measure} of {layer}, {pair}"


SCORE, BOOST, DATA_RATIO = "score", "boost", "data_ratio"
"""What small_data.csv holds of a number of patients: the metric, how much more of it than the
baseline, and with how many times the patients the baseline is as good."""
BOOST_CHANGE = "boost_change"
"""What it holds of the fewest patients: their boost less that of the most."""
CROSSES, NEVER, ALREADY = "crosses", "never crosses", "already at the smallest"
"""What the interval of a crossing says: it ends on both sides, or lies beyond the sizes; an open
one is `UNDECIDED`."""
UNDECIDED, CANNOT = "undecided", "cannot be decided"
"""What these results do not decide, and what no results of as many runs or networks could."""
SOONER, LATER = "sooner", "later"
"""When an arm reaches a level, compared with another."""
ONE_SEED = "conditional on this seed"
"""What an interval takes as given if there was nothing to measure the seeds' variance with."""
