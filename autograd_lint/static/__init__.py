"""The static engine: LibCST trees are lowered once and executed abstractly. Never imports torch."""
