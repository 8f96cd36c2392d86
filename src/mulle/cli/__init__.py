"""The command line: parse, call a verb of the workspace, print. No logic lives here."""
