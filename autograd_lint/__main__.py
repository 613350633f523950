"""`python -m autograd_lint` is `autograd-lint`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # Python puts the current folder first, and a `socket.py` in it would be executed by what checks it.
        sys.path[0] = os.path.dirname(sys.executable)

    from autograd_lint.cli import main

    main()
