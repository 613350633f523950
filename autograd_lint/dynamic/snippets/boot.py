"""Run as a script by the interpreter that has torch: lets it find this package, and nothing that lies beside it."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the package from where this file is, and become what the first argument says."""
    if sys.version_info < (3, 11):  # noqa: UP036 the interpreter is one that others chose
        sys.exit("autograd-lint needs Python 3.11 or newer where programs run")
    # This folder stands first as that of the script; its modules must not pass for others of the same name.
    del sys.path[0]
    import importlib.util
    import os

    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    spec = importlib.util.spec_from_file_location("autograd_lint", os.path.join(package, "__init__.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["autograd_lint"] = module
    spec.loader.exec_module(module)

    from autograd_lint.dynamic.snippets.roles import become

    become(sys.argv[1], sys.argv[2:])


if __name__ == "__main__":
    main()
