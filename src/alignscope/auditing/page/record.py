"""The record of a page's JSON: what decides in words needs its types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from alignscope.auditing.results import AuditRecord


def record_of(audit: Mapping[str, Any]) -> AuditRecord:
    """Return the audit of the plain values of its JSON."""
    return msgspec.convert(audit, AuditRecord, strict=False)
