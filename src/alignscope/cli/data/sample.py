"""``alignscope data sample``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import tyro

from alignscope.cli.options import WritingCommand, arg, modality_names, say


class SampleCommand(WritingCommand, frozen=True, kw_only=True):
    """Sample one or two rasters at the points of a table.

    Rasters are GeoTIFF, COG, .zarr:array or .nc:array, the table is .csv or .parquet. A sample is the pixel that a
    point lies in, of all bands. Points outside a raster, or where it has no data, are left out and counted. Writes
    x1.npy (and x2.npy: a pair, which alignscope audit --pair reads), ids, names, results.json, dropped.csv and
    report.html to the folder --out.
    """

    first_call = "s2.tif s1.tif --points plots.csv --target height"
    default_out = "sample"
    headings = (
        "Input: rasters points x y crs ids target name1 name2",
        "Reading: block dequantize",
    )

    rasters: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        arg(metavar="RASTER...", help='One or two rasters, x1 and x2; of tiles a pattern in quotes, "tiles/*.tif".'),
    ]
    points: Annotated[Path, arg(metavar="FILE", help="Table of points, with a column for each coordinate.")]
    x: Annotated[str | None, arg(metavar="COLUMN", help="Coordinate to the east. By default lon, longitude or x.")] = (
        None
    )
    y: Annotated[str | None, arg(metavar="COLUMN", help="Coordinate to the north. By default lat, latitude or y.")] = (
        None
    )
    crs: Annotated[str, arg(metavar="CRS", help="Of the coordinates.")] = "EPSG:4326"
    ids: Annotated[
        str | None, arg(metavar="COLUMN", help="Ids of the points. By default id and the like, or the rows, counted.")
    ] = None
    target: Annotated[str | None, arg(metavar="COLUMN", help="Label or quantity to predict, written as y1.npy.")] = None
    block: Annotated[
        float | None,
        arg(metavar="SIZE", help="Side of a square of ground held out together, in units of --crs: degrees, metres."),
    ] = None
    dequantize: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        arg(
            metavar="HOW",
            help="What whole numbers stand for: aef (AlphaEarth), SCALE,OFFSET, or the .json of a STAC item. Give it "
            "twice where the rasters differ; none leaves one as its tags say.",
        ),
    ] = ()
    name1: Annotated[str | None, arg(metavar="TEXT", help="What pages call modality 1.")] = None
    name2: Annotated[str | None, arg(metavar="TEXT", help="What pages call modality 2.")] = None

    def run(self) -> None:
        """Sample, and say how many points stayed."""
        from alignscope.sampling.sample import sample  # slow to load, and help does without

        names = [named or name for named, name in zip((self.name1, self.name2), self._names(), strict=False)]
        with self.progress() as progress:
            page = sample(
                self.rasters,
                self.points,
                self.folder(),
                x=self.x,
                y=self.y,
                crs=self.crs,
                ids=self.ids,
                target=self.target,
                block=self.block,
                dequantize=self.dequantize,
                names=names,
                progress=progress,
            )
        record = json.loads(page.with_name("results.json").read_text(encoding="utf-8"))
        say(f"Sampled: {record['n']:,} of {record['points']:,} points.")
        for reason, number in record["left_out"].items():
            say(f"  {number:,} left out: {reason}")
        for note in record["notes"]:
            say(f"  {note}")
        self.finish(page)

    def _names(self) -> tuple[str, ...]:
        """Names of the modalities: of their files, or of the folder of tiles."""
        paths = [Path(raster) for raster in self.rasters]
        paths = [path.parent if "*" in path.name else path for path in paths]
        return modality_names(*paths) if len(paths) == 2 else tuple(path.stem for path in paths)
