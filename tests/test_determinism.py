"""The same input and seed give the same bytes, also in another process with another hash seed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

MADE = {
    "an audit of arrays": """
import numpy as np, alignscope
rng = np.random.default_rng(0)
x1, x2 = rng.normal(size=(2, 200, 4))
labels = np.array(["oak", "fir", "ash"])[rng.integers(0, 3, 200)]
result = alignscope.audit(x1, x2 + x1, labels, groups=np.arange(200) // 5, components=2)
Path("audit.json").write_bytes(result.to_json())
""",
    "a folder of pictures": """
from alignscope.datasets.trifeature import TrifeatureOptions, make_trifeature
make_trifeature(TrifeatureOptions(n=24, n_validation=8, n_test=8, size=16, view="comm"), "pictures")
""",
    "an archive of patches": """
from alignscope.datasets.treesatai import Generated, write_archive
write_archive(Generated(3), "patches")
""",
}


@pytest.mark.parametrize("name", MADE)
def test_every_process_makes_the_same_bytes(name: str, tmp_path: Path) -> None:
    """Hash seeds differ between processes: nothing may depend on the order of a set."""
    found = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        command = [sys.executable, "-c", f"from pathlib import Path\n{MADE[name]}"]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run(command, cwd=folder, check=True, env=environment)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        found.append({str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files})
    assert found[0]
    assert found[0] == found[1]
