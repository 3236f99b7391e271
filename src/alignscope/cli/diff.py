"""``alignscope diff``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from alignscope._lib.files import check_writable
from alignscope.cli.options import WritingCommand, arg, say
from alignscope.errors import AlignscopeError


class DiffCommand(WritingCommand, frozen=True, kw_only=True):
    """Compare two finished runs of one command, figure by figure.

    The change is from RUN1 to RUN2. Runs are folders, or the JSON files in them, of audit, matrix, study, bench,
    paper or a command of alignscope data. Changes have paired intervals where the rows are the same, and
    findings, verdict, options, versions and data are compared too. With --fail-on, the exit status is 1 if RUN2 has
    a finding with that code that RUN1 has not.
    """

    section = "Results"
    first_call = "run run-2 --fail-on AS301"

    before: Annotated[Path, tyro.conf.Positional, arg(metavar="RUN1", help="The first run: its folder or JSON file.")]
    after: Annotated[Path, tyro.conf.Positional, arg(metavar="RUN2", help="The second run.")]
    fail_on: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        arg(metavar="CODE", help="End with status 1 if a finding with this code is new in RUN2; may be given again."),
    ] = ()
    json: Annotated[bool, arg(help="Print the comparison as JSON, and nothing else.")] = False
    out: Annotated[
        Path | None,
        arg(
            metavar="FOLDER", aliases=("-o",), help="Folder for diff.json and report.html. By default none is written."
        ),
    ] = None
    tolerance: Annotated[
        float, arg(metavar="X", help="Figures that differ by no more, absolutely or relatively, are the same.")
    ] = 1e-6

    def run(self) -> None:
        """Compare, say what differs, and fail where a finding is new that must not be."""
        from alignscope.auditing.codes import CODES  # slow to load, and help does without
        from alignscope.diffing.difference import Difference, diff  # likewise

        codes = [code.upper() for code in self.fail_on]
        for code in codes:
            if code not in CODES:
                raise AlignscopeError("E305", "--fail-on", f"'{code}'", "Give a code of a finding, such as AS301.")
        if self.out is not None:
            check_writable(self.out)
            Difference.output.check(self.out)
        found = diff(self.before, self.after, tolerance=self.tolerance)
        page = None if self.out is None else found.save(self.out)
        if self.json:
            print(found.to_json().decode(), end="")
        else:
            for line in found.summary().splitlines():
                say(line)
            if page is not None:
                self.finish(page, "diff.json")
        new = {finding.code for finding in found.findings.new}
        if new.intersection(codes):
            raise SystemExit(1)
