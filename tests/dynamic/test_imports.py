"""What runs in the user's interpreter needs torch and the standard library, and nothing else that we depend on."""

from __future__ import annotations

import json
import subprocess
import sys


def test_observer_and_judge_need_no_dependency_of_ours() -> None:
    code = (
        "import json, sys\n"
        "import torch\n"
        "before = set(sys.modules)\n"
        "from autograd_lint.dynamic import judge, observer\n"
        "from autograd_lint.rule import all_rules\n"
        "all_rules()\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(json.dumps(sorted(new - set(sys.stdlib_module_names))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout) == ["autograd_lint"]
