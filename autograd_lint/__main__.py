"""`python -m autograd_lint` is `autograd-lint`."""

from __future__ import annotations

from autograd_lint.cli import main

if __name__ == "__main__":
    main()
