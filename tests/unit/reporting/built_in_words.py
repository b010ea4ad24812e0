"""What every built-in metric is called."""

from __future__ import annotations

from transfergrid.catalog.metrics import METRICS
from transfergrid.planning.metrics import declare
from transfergrid.reporting.metric_words import metric_words

WORDS = metric_words({"metrics": {metric.name: declare(metric) for metric in METRICS}})
