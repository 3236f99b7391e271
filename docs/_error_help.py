"""What usually causes each error, and what to do. The build fails for a code that is missing here."""

HELP = {
    "E101": "Check the path and its permissions. The message suggests names that are close.",
    "E102": "Convert the file to one of the [formats that are read](data-formats.md#formats), as with `numpy.save`.",
    "E103": "The copy or the program that wrote it was interrupted, or the disk was full. Write or copy it again; the "
    "message says how many bytes are missing.",
    "E104": "The array was saved with `dtype=object`: often rows of different lengths, or text and numbers mixed. "
    "Save plain numbers, or text as `str`. There is no option to allow it.",
    "E105": "Name the array after a colon: `features.npz:x1`, `store.h5:group/x1`. The message lists what is there.",
    "E106": "Usually a column of names, dates or sample ids among the features. Name the columns to use "
    "(`table.csv:b1,b2`), and give ids by `--ids1` and `--ids2`.",
    "E107": "Install the extra that the message names, or save the data in a format that needs none.",
    "E108": "Give a file. Only `.zarr` stores are folders; `--pair` takes a folder of files with fixed names.",
    "E109": "Give the folder that holds `aerial/`, `sentinel-ts/` or `sentinel/`, or the one above it. Archives that "
    "were downloaded as .zip are unpacked first. The layouts are in [](treesatai.md).",
    "E110": "Names are `<species>_<age class 0..11>_<id>_<WEFL or BI>_NLF`. Rename the file, or move it elsewhere: it "
    "is not used, and no other is affected.",
    "E111": "The message names the file and the entry or line. Take the label file and the lists as published; "
    "[](treesatai.md) says what is accepted.",
    "E112": (
        "Copy the data into the file, or the files that it names into its folder. Why they are not followed: "
        "[](safety.md)."
    ),
    "E113": (
        "Give fewer rows or columns, or save the rows as .npy, .zarr or .h5, which are read a few at a time. Text, "
        "tables and compressed archives are held in memory whole."
    ),
    "E201": "Features need at least one row and one column. A single number is usually a slice gone wrong (`x[0]`).",
    "E202": "The message lists the rows of every input. Something was filtered in one place and not in the other.",
    "E203": "The message says where the first ones are. Fill them in, or leave those samples out of every input; "
    "alignscope does neither by itself, since both change the answer.",
    "E204": "The rows of the two modalities are not the same samples in the same order. The message says whether "
    "reordering would do, or which samples are on one side only. `alignscope data join` matches rows by their ids: "
    "see [](embeddings.md).",
    "E205": "Lower `--folds`, give more samples, or weights that do not rest on a few of them.",
    "E206": "All rows have the same label or value, perhaps after filtering.",
    "E207": "All columns are constant: often the wrong file, or features of a network that has collapsed.",
    "E208": "Held-out figures need at least two groups.",
    "E209": "Weights are at least 0, and some are positive.",
    "E210": "Give one name per column, all different.",
    "E211": "The message says what differs, by how many pixels, and the `gdalwarp` command that brings the raster to "
    "the grid of the finest one. Nothing is resampled unasked: that would move what a pixel shows. See [](scenes.md).",
    "E212": "The message counts the reasons. Most often `nodata` is a value that real pixels have, such as 0, or the "
    "chips are larger than the rasters. See [](scenes.md).",
    "E213": "`alignscope diff` compares two runs of one command. Where the formats differ, run the older one again "
    "with this version.",
    "E301": "Choose a whole number of at least 1, or leave `--components` out.",
    "E302": "Write `START:STOP:COUNT`, for example `0.001:1000:100`.",
    "E303": "Choose a whole number of at least 2; 5 and 10 are usual.",
    "E304": "The message says which option, and what range it takes.",
    "E305": "The message lists the names that are known.",
    "E306": (
        "The message names the file, the line and the field, and what was expected there. Every field is in "
        "[the study guide](study.md), [the bench guide](bench.md) or [the scenes guide](scenes.md)."
    ),
    "E307": "The message says where the file stops being TOML: most often a missing quotation mark or bracket.",
    "E308": (
        "The message names the file and, where it raises, the line. Correct it, or give the method another name: "
        "`register(name=...)`. See [](bench.md)."
    ),
    "E309": (
        "The message names the likeliest command or option where one is near. `alignscope --help` lists the commands, "
        "and `alignscope COMMAND --help` the options of one, with what each takes."
    ),
    "E401": "Choose another `--out`, or change its permissions. Nothing was computed: this is checked first.",
    "E402": "Make room, or choose another `--out`, and run again. Nothing half-written was left.",
    "E403": "Update alignscope, or choose another `--out`. Nothing in the folder was touched.",
    "E404": "Choose an empty or new folder. Nothing in this one was touched.",
    "E405": "Make room, or print elsewhere. What the command wrote to `--out` is whole or absent.",
    "E501": "Call `fit` first, and give `transform` and `predict` as many columns as `fit` had.",
    "E502": (
        "Most often memory: use fewer `--workers`, or a smaller batch or encoder. Finished trainings are "
        "kept, so the same command goes on. In a script of your own, put the call under `if __name__ == "
        '"__main__":`.'
    ),
    "E503": (
        "Correct `--out`, or leave `--resume` out. A run goes on by itself where it can; `--resume` only "
        "insists that there is something to go on from."
    ),
    "E901": (
        "Please report it. With `-v` the same command prints the traceback, which "
        "says where it happened; it shows paths and values of yours, so look it through before you send it."
    ),
    "E902": (
        "Save numbers as float32, give fewer columns or use fewer `--workers`. Rows cost nothing: they are read a few "
        "at a time."
    ),
}
