"""``alignscope tour``."""

from __future__ import annotations

from alignscope.cli.options import Workers, WritingCommand, say


class TourCommand(WritingCommand, frozen=True, kw_only=True):
    """See an audit, the paper's theory and trainings in two minutes.

    The audit is of the generated pair of `alignscope audit --example`; the trainings are those of the scale first of
    `alignscope paper`. Writes index.html to the folder --out, and below it the pages that it links. Needs torch.
    """

    section = "Decide"
    default_out = "tour"
    interrupted = "finished trainings are kept, and the same command goes on from there"

    workers: Workers = None

    def run(self) -> None:
        """Run the three parts, and print what they found and where the index is."""
        from alignscope.tour.running import OUTPUT, run_tour  # slow to load, and help does without

        out = self.folder(lambda folder: OUTPUT.is_in(folder) or (folder / "study" / "store.json").is_file())
        with self.progress() as progress:
            page, findings = run_tour(out, self.workers, progress)
        for finding in findings:
            say(finding.title)
            say(f"  {finding.text}")
        self.finish(page, OUTPUT.record)
