"""Public contract suites for the ports, fault injection, and synthetic worlds."""
