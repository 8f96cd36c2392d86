"""Runs and what they recorded: parameters, metrics, artifacts. What user code calls; it loads no database."""

from mulle.tracking.recording import (
    Recorder,
    log_artifact,
    log_metric,
    log_param,
    recording,
    report,
    should_prune,
)
from mulle.tracking.session import start_run

__all__ = ["Recorder", "log_artifact", "log_metric", "log_param", "recording", "report", "should_prune", "start_run"]
