"""Many small programs run under torch, each in a sandboxed process of its own.

`pool` is what others use; it lives in the linter and never imports torch. The interpreter that has torch runs `boot`.
"""
