"""Each rule has a test that names it. The rules are those of the Open Service Broker API 2.17 and what its clients rely
on, numbered by section: credentials (AUTH), version (VER), identities (OID, RID), bodies, errors, ids, time (LIM), the
catalog, each call (provision, fetch, update, deprovision, bind, rotation, unbind, last operation: of instances I, of
bindings B), asynchronous orders, and orders at once (RACE)."""

from __future__ import annotations

import re
from pathlib import Path

RULES = {
    "AUTH": 4, "VER": 5, "OID": 2, "RID": 3, "BODY": 7, "ERR": 5, "IDS": 3, "LIM": 1, "CAT": 18, "PRO": 17, "GETI": 4,
    "LOI": 5, "UPD": 15, "DEP": 7, "UNB": 7, "BND": 17, "ROT": 7, "GETB": 3, "LOB": 4, "ASY": 10, "RACE": 6,
}  # fmt: skip


def test_each_rule_is_named_where_it_is_tested() -> None:
    files = [path for path in Path(__file__).parent.glob("*.py") if path.name != Path(__file__).name]
    named = {rule for path in files for rule in re.findall(r"\b[A-Z]{3,4}-\d+\b", path.read_text())}
    assert named == {f"{section}-{number}" for section, last in RULES.items() for number in range(1, last + 1)}
