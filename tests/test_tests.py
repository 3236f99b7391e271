"""The tests read by a test: none passes on a broken message."""

from __future__ import annotations

import ast
from pathlib import Path

SILENT = {"KeyboardInterrupt", "SystemExit"}  # they carry no message


def test_every_refusal_says_what_its_message_is() -> None:
    bare = []
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises":
                silent = ast.unparse(node.args[0]) in SILENT
                if not silent and "match" not in {keyword.arg for keyword in node.keywords}:
                    bare.append(f"{path.name}:{node.lineno}")
    assert bare == []
