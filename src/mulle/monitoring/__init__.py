"""Standing questions about a deployment: drift, quality, outliers, staleness; and the alerts they raise."""

from mulle.monitoring.declare import MonitorDefinition, drift, monitor, outliers, quality, staleness

__all__ = ["MonitorDefinition", "drift", "monitor", "outliers", "quality", "staleness"]
