"""The checker that the import hook puts on every function: beartype, which also takes an int for a float."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
