"""What chips to cut from which rasters: a TOML file as frozen types."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from alignscope._lib.toml import convert, invalid, parse, read_text

GUIDE = "scenes guide"

AXES = ("scene", "time", "channel", "y", "x")
"""What the axes of an array may be."""

Index: TypeAlias = Annotated[int, Meta(ge=0)]
Count: TypeAlias = Annotated[int, Meta(ge=1)]
Share: TypeAlias = Annotated[float, Meta(gt=0, le=1)]
Name: TypeAlias = Annotated[str, Meta(min_length=1)]


class MaskSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pixels and times at which a channel of the same raster, as stored, is larger than `above` are no data: clouds."""

    channel: Index
    above: float


class RasterSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One source of pixels; in a specification a plain text is its path.

    Attributes
    ----------
    path : a GeoTIFF, a .npy, or an array of a .npz (``"file.npz:key"``), with * and ? for many files, each a scene.
    axes : of an array only, its axes in order, such as ``"scene time channel y x"``; y and x must be among them.
    channels, times : which to take, counted from 0; None takes all.
    reduce : "none" makes a channel of every channel at every time, "median" takes the median of the valid times.
    nodata : stored values that stand for no data, next to NaN, infinity, the largest float32 and what a GeoTIFF
        declares.
    scale, offset : a stored number s is read as scale x s + offset, one for all channels that are taken or one each;
        they come before the scale and offset that a GeoTIFF declares.
    dequantize : "aef" for int8 embeddings of AlphaEarth: sign(s) (s / 127.5)^2, and -128 is no data.
    mask : a channel of clouds or the like, as stored, which need not be taken itself.
    names, time_names : of the channels and times that are taken.
    ids : of a .npz with a scene axis only, the key of the scenes' ids; without it they are counted from 0.
    match : a regular expression whose first group, in the file's name, is the id of the scene; without it the stem is.
    """

    path: Name
    axes: str = ""
    channels: tuple[Index, ...] | None = None
    times: tuple[Index, ...] | None = None
    reduce: Literal["none", "median"] = "none"
    nodata: tuple[float, ...] | float = ()
    scale: tuple[float, ...] | float | None = None
    offset: tuple[float, ...] | float | None = None
    dequantize: Literal["aef"] | None = None
    mask: MaskSpec | None = None
    names: tuple[Name, ...] | None = None
    time_names: tuple[Name, ...] | None = None
    ids: str | None = None
    match: str | None = None

    @property
    def absent(self) -> tuple[float, ...]:
        """The values that stand for no data."""
        return numbers_of(self.nodata)


class ModalitySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One modality: sources whose channels are stacked.

    Attributes
    ----------
    rasters : paths, or tables of `RasterSpec`.
    scale : "robust" gives (value - median) / (0.7413 x the interquartile range) of every channel, over all chips.
    least_valid : a chip is dropped where a smaller share of any channel's pixels is valid.
    show : one or three channels for the page, counted from 0; by default the first three, or the first of fewer.
    """

    name: Name
    rasters: Annotated[tuple[RasterSpec | Name, ...], Meta(min_length=1)]
    scale: Literal["none", "robust"] = "none"
    least_valid: Share = 0.9
    show: tuple[Index, ...] | None = None

    @property
    def sources(self) -> tuple[RasterSpec, ...]:
        """The rasters, each as a table."""
        return tuple(map(_source, self.rasters))


class TargetSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a modality should predict of a chip, from the valid pixels of a raster of one channel.

    Attributes
    ----------
    modality : 1, 2 or "both".
    kind : "fractions", the share of every class or group; "majority", 1 for the class or group of the most pixels, else
        0; "mean"; "log_mean", log(1 + mean); "bins", the shares below, between and above `edges`.
    groups : name -> class codes, for "fractions" and "majority"; without it every class is a column.
    edges, names : of bins; a value on an edge is in the bin above it. names has one more entry than edges.
    least_valid : a chip is dropped where a smaller share of the raster's pixels is valid.
    """

    name: Name
    modality: Literal[1, 2, "both"]
    raster: RasterSpec | Name
    kind: Literal["fractions", "majority", "mean", "log_mean", "bins"]
    groups: dict[Name, tuple[int, ...]] | None = None
    edges: tuple[float, ...] = ()
    names: tuple[Name, ...] | None = None
    least_valid: Share = 0.5

    @property
    def source(self) -> RasterSpec:
        """The raster as a table."""
        return _source(self.raster)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns that it makes; None where the classes are yet to be read."""
        if self.kind in ("mean", "log_mean"):
            return (self.name,)
        if self.kind == "bins":
            return self.names or _bin_names(self.name, self.edges)
        return None if self.groups is None else tuple(self.groups)


class SceneSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to cut. Sizes are in pixels of the finest raster, or in metres.

    Attributes
    ----------
    chip, stride : the side of a chip, and from one chip to the next; by default a chip, so that none overlap.
    block : the side of a block, in chips; the chips of a block are one group. "scene" makes every scene one.
    gap : chips left out between blocks. By default the fewest with which no two blocks share a pixel.
    unit : "pixel" or "metre"; metres need GeoTIFF in a metric CRS.
    modality1, modality2, target : see their types.
    """

    chip: Annotated[float, Meta(gt=0)]
    modality1: ModalitySpec
    modality2: ModalitySpec
    target: tuple[TargetSpec, ...] = ()
    stride: Annotated[float, Meta(gt=0)] | None = None
    block: Count | Literal["scene"] = 4
    gap: Index | None = None
    unit: Literal["pixel", "metre"] = "pixel"

    @property
    def modalities(self) -> tuple[ModalitySpec, ModalitySpec]:
        """Both."""
        return self.modality1, self.modality2

    @property
    def sources(self) -> dict[str, RasterSpec]:
        """Every source by the field that it stands in."""
        found = {
            f"modality{i}.rasters[{k}]": source
            for i, modality in enumerate(self.modalities, 1)
            for k, source in enumerate(modality.sources)
        }
        return found | {f"target[{k}].raster": target.source for k, target in enumerate(self.target)}

    @property
    def step(self) -> float:
        """From one chip to the next."""
        return self.chip if self.stride is None else self.stride

    @property
    def spared(self) -> int:
        """The chips left out between blocks."""
        return self._least_gap if self.gap is None else self.gap

    @property
    def _least_gap(self) -> int:
        return 0 if self.block == "scene" else math.ceil(self.chip / self.step - 1e-9) - 1


def read_scenes(path: str | Path) -> SceneSpec:
    """Read a specification from a TOML file.

    Raises
    ------
    AlignscopeError : E101 for a file that cannot be read, E307 for one that is not TOML, E306 for a field that is
        unknown, of the wrong type or out of range; the message names file, line and field.
    """
    return parse(read_text(path), str(path), SceneSpec, _check, GUIDE)


def checked_scenes(spec: SceneSpec) -> SceneSpec:
    """Return a specification made in Python as the same one from TOML would be. Raises E306."""
    return convert(msgspec.to_builtins(spec), "spec", SceneSpec, _check, GUIDE)


def numbers_of(given: tuple[float, ...] | float | None) -> tuple[float, ...]:
    """Return what is given once, for every channel, or not at all as a tuple."""
    if given is None:
        return ()
    return given if isinstance(given, tuple) else (given,)


def _source(raster: RasterSpec | str) -> RasterSpec:
    return RasterSpec(path=raster) if isinstance(raster, str) else raster


def _bin_names(name: str, edges: tuple[float, ...]) -> tuple[str, ...]:
    between = (f"{name} {low:g} to {high:g}" for low, high in itertools.pairwise(edges))
    return f"{name} below {edges[0]:g}", *between, f"{name} from {edges[-1]:g}"


def _check(spec: SceneSpec) -> None:
    """Raise ValidationError, which carries the path, for what types cannot say."""
    sizes = {"chip": spec.chip, "stride": spec.step}
    for name, size in sizes.items():
        if not math.isfinite(size) or (spec.unit == "pixel" and size != int(size)):
            raise invalid("Expected a whole number of pixels" if math.isfinite(size) else "Expected a number", name)
    if spec.gap is not None and spec.block != "scene" and spec.gap < spec._least_gap:
        raise invalid(f"Chips of two blocks would overlap: at least {spec._least_gap}", "gap")
    for field, source in spec.sources.items():
        _check_source(source, field)
    for i, modality in enumerate(spec.modalities, 1):
        if modality.show is not None and len(modality.show) not in (1, 3):
            raise invalid("Expected one channel or three", f"modality{i}.show")
    for k, target in enumerate(spec.target):
        _check_target(target, f"target[{k}]")
    _check_columns(spec)


def _check_source(source: RasterSpec, field: str) -> None:
    axes = source.axes.split()
    if axes and (set(axes) - set(AXES) or len(set(axes)) < len(axes) or not {"y", "x"} <= set(axes)):
        raise invalid(f"Expected some of `{' '.join(AXES)}`, each once, with y and x", f"{field}.axes")
    for name in ("channels", "times", "names", "time_names"):
        values = getattr(source, name)
        if values is not None and (not values or len(set(values)) < len(values)):
            raise invalid("Expected at least one entry, each once", f"{field}.{name}")
    numbers = {"nodata": source.absent, "mask.above": () if source.mask is None else (source.mask.above,)}
    numbers |= {"scale": numbers_of(source.scale), "offset": numbers_of(source.offset)}
    for name, values in numbers.items():
        if not all(map(math.isfinite, values)):
            raise invalid("Expected a finite number: NaN and infinity never are data", f"{field}.{name}")
    if 0 in numbers["scale"]:
        raise invalid("Expected a number other than 0", f"{field}.scale")
    if source.dequantize and (numbers["scale"] or numbers["offset"]):
        raise invalid("Expected no scale and no offset next to it", f"{field}.dequantize")
    if source.match is not None:
        try:
            groups = re.compile(source.match).groups
        except re.error as error:
            raise invalid(f"Not a regular expression ({error})", f"{field}.match") from None
        if groups < 1:
            raise invalid("Expected a group in round brackets: the id", f"{field}.match")


def _check_target(target: TargetSpec, field: str) -> None:
    classes = target.kind in ("fractions", "majority")
    if target.groups is not None:
        if not classes:
            raise invalid(f"`{target.kind}` has no groups", f"{field}.groups")
        twice = [code for code, n in Counter(c for codes in target.groups.values() for c in codes).items() if n > 1]
        if not target.groups or not all(target.groups.values()) or twice:
            found = f"Class {twice[0]} is in two groups" if twice else "Expected groups of at least one class"
            raise invalid(found, f"{field}.groups")
    if (target.kind == "bins") != bool(target.edges):
        raise invalid("Expected edges of bins" if target.kind == "bins" else "Only `bins` have edges", f"{field}.edges")
    rising = all(low < high for low, high in itertools.pairwise(target.edges))
    if not rising or not all(map(math.isfinite, target.edges)):
        raise invalid("Expected increasing finite edges", f"{field}.edges")
    if target.names is not None and (target.kind != "bins" or len(target.names) != len(target.edges) + 1):
        raise invalid("Only `bins` have names, one more than edges", f"{field}.names")


def _check_columns(spec: SceneSpec) -> None:
    if len({target.name for target in spec.target}) < len(spec.target):
        raise invalid("Two targets have one name", "target")
    for i in (1, 2):
        names = Counter(c for t in spec.target if t.modality in (i, "both") for c in t.columns or ())
        twice = [name for name, n in names.items() if n > 1]
        if twice:
            raise invalid(f"Modality {i} would have two target columns named `{twice[0]}`", "target")
