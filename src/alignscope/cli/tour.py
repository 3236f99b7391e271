"""``alignscope tour``."""

from __future__ import annotations

from alignscope._lib.progress import Bar
from alignscope.cli._options import Command, Out, Workers, say


class TourCommand(Command, frozen=True, kw_only=True):
    """Show what alignscope is for: an audit, the paper's linear theory, and trainings, in about two minutes.

    The audit is of the generated pair of `alignscope audit --example`; the trainings are those of the scale first of
    `alignscope paper`. Writes index.html to the folder --out, and below it the pages that it links. Needs torch.
    """

    interrupted = "finished trainings are kept, and the same command goes on from there"

    out: Out
    workers: Workers = None

    def run(self) -> None:
        """Run the three parts, and print what they found and where the index is."""
        from alignscope.tour.running import run_tour  # slow to load, and help does without

        with Bar() as progress:
            page, findings = run_tour(self.out, self.workers, progress)
        for finding in findings:
            say(finding.title)
            say(f"  {finding.text}")
        say(f"Page: {page}")
