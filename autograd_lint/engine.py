"""One file to findings: parse, lower, execute abstractly, judge."""

from __future__ import annotations
