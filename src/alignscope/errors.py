"""One family of errors. Each carries what was looked at, what was found and the way out.

Every error of alignscope that a user can cause is an `AlignscopeError` with a stable code from `CODES`;
the command line prints its one line to stderr and exits with status 2.
"""

from __future__ import annotations

import unicodedata

CODES: dict[str, str] = {
    "E101": "A file does not exist or may not be read.",
    "E102": "A file's format is not one that alignscope reads.",
    "E103": "A file is truncated or corrupt: its header promises more than it holds, or cannot be parsed.",
    "E104": "A file holds Python objects. Reading them would unpickle, which can run any code, so it is refused.",
    "E105": "A container file (.npz, .h5, .zarr group) needs a key that names one array, or the key is not in it.",
    "E106": "Values that must be numbers are not.",
    "E107": "Something wanted needs an optional dependency that is not installed.",
    "E108": "A path is a directory where a file is needed.",
    "E109": "A folder is not the data set, or holds several.",
    "E110": "A name is not that of a TreeSatAI patch.",
    "E111": "A label file or lists of splits cannot be used: an unknown genus, a share that is no number, a repeat.",
    "E112": "A file refers to others outside of its folder, or keeps its data in one; they are not read.",
    "E113": "What is to be read does not fit into the memory that is free.",
    "E201": "An array has a shape that cannot be used (no rows, no columns, a scalar).",
    "E202": "Inputs that must have one row per sample have different numbers of rows.",
    "E203": "NaN or infinity among the values.",
    "E204": "The sample ids of the two modalities differ, repeat, or stand in another order.",
    "E205": "There are too few rows for what is wanted.",
    "E206": "A target has no variation, so nothing can be predicted or lost.",
    "E207": "A modality has no variation: all of its columns are constant.",
    "E208": "The groups cannot be used for held-out figures.",
    "E209": "Row weights are negative, or none is positive.",
    "E210": "Names do not fit the columns that they name.",
    "E211": "Rasters do not lie on one grid: another CRS, resolution, corner or extent.",
    "E212": "No chip is left: all lack pixels, or none fits into the rasters.",
    "E213": "Two runs cannot be compared: they are of different commands, or in different versions of a format.",
    "E301": "The latent size (components), or another size of an encoder, is not a positive whole number.",
    "E302": "The grid of lambdas cannot be read, or is not positive and increasing.",
    "E303": "The number of folds is not a whole number of at least 2.",
    "E304": "A fraction or count is out of range.",
    "E305": "A target scaling (gauge), direction, task, device or other choice is not one of those known.",
    "E306": "A field of a specification is unknown, of the wrong type, out of range or given twice.",
    "E307": "A specification is not TOML.",
    "E308": "A file of methods raises, registers none, or one that cannot be used or whose name is taken.",
    "E309": "A command, an option of one or its value is not known, missing or cannot be read.",
    "E401": "The output folder cannot be created or written.",
    "E402": "Writing failed part-way (a full disk, a quota); what was written has been removed.",
    "E403": "The folder was written by a newer version of alignscope.",
    "E404": "The folder holds something other than what is to be written there.",
    "E405": "What the command prints cannot be written: standard output is a full disk or cannot be reached.",
    "E501": "An estimator was used before it was fitted, or on data of another width.",
    "E502": "A worker process was lost twice over one cell, or none could be kept alive.",
    "E503": "There is nothing to resume in the folder.",
    "E901": "A fault of alignscope itself: something went wrong that none of its messages is for.",
    "E902": "More memory is needed than there is, or an input is nested too deeply.",
}

LONGEST = 1000
"""Of each part of a message, in characters."""

_JOINERS = "\u200c\u200d"  # invisible, but words of Persian and of Hindi need them


def escaped(text: str) -> str:
    """Return a text with all that a terminal obeys or a page cannot hold as it is written in Python: ``"\\x1b"``.

    These are control characters and line breaks, marks of writing direction, invisible characters, lone surrogates and
    what Unicode reserves. The same text comes back where there is none of them.
    """
    if text.isprintable():
        return text
    return "".join(ch.encode("unicode_escape").decode("ascii") if _is_unseen(ch) else ch for ch in text)


def _is_unseen(ch: str) -> bool:
    if ord(ch) & 0xFFFE == 0xFFFE or "\ufdd0" <= ch <= "\ufdef":
        return True
    return unicodedata.category(ch) in ("Cc", "Cf", "Cs", "Zl", "Zp") and ch not in _JOINERS


def _part(text: str) -> str:
    text = escaped(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 201]}…{text[-200:]}"


class AlignscopeError(ValueError):
    """An input, option or file that cannot be used.

    Parameters
    ----------
    code : one of `CODES`.
    where : what was looked at: a file, an argument, a block of columns.
    found : what was found there.
    way_out : what to do about it.

    Each part is `escaped`, since it may hold what stands in somebody's file, and cut where it is very long.
    """

    def __init__(self, code: str, where: str, found: str, way_out: str) -> None:
        self.code = code
        self.where, self.found, self.way_out = map(_part, (where, found, way_out))
        super().__init__(f"{self.where}: {self.found}. {self.way_out} [{code}]")

    def __reduce__(self) -> tuple[type[AlignscopeError], tuple[str, str, str, str]]:
        return type(self), (self.code, self.where, self.found, self.way_out)
