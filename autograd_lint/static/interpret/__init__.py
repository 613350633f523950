"""Execution of the lowered form along paths: statements, expressions, calls, and what Python itself defines."""
