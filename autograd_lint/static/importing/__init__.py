"""Project-local imports: where an imported file is, which statements bind what, and the namespaces they make."""
