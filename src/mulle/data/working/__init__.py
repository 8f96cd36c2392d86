"""Working copies: folders whose files are watched against a dataset's versions."""
