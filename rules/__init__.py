"""The rules, one file each; installed as `autograd_lint.rules` and found by walking this package."""
