"""The conventions of the command line: help, wrong words, where results go, and what is printed where."""

from __future__ import annotations

import re
import subprocess
import sys
import webbrowser
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from alignscope import cli
from alignscope._lib.outputs import free_folder
from alignscope._lib.progress import Bar
from alignscope.bench.methods import METHODS
from alignscope.bench.plan import cells_of, entries_of, possible_cells
from alignscope.bench.running import BENCH
from alignscope.bench.spec import read_scale
from alignscope.bench.summary import Choice
from alignscope.cli import COMMANDS
from alignscope.cli._help import FAMILIES, command_help, family_overview, groups_of, options_of, overview
from alignscope.errors import CODES, AlignscopeError
from alignscope.study.running import STUDY, Study, goes_on_in
from alignscope.study.spec import cells_of as study_cells
from alignscope.study.spec import parse_spec
from alignscope.sweep.store import Store, holds_only
from audit_helpers import Y1, given, quick_page, tree

QUICK = ("--lambdas", "1:2:2")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    quick_page(monkeypatch)
    return tmp_path


@pytest.mark.parametrize("width", [80, 100, 300])
def test_help_fits(width: int) -> None:
    texts = [command_help(name, command, width) for name, command in COMMANDS.items()]
    texts += [overview(COMMANDS, width), *(family_overview(COMMANDS, family, width) for family in FAMILIES)]
    assert max(len(line) for text in texts for line in text.splitlines()) <= min(width, 100)
    assert not re.search(r"None|\bFalse\b|<class|typing", "".join(texts))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name: str) -> None:
    command = COMMANDS[name]
    lines = command_help(name, command, 80).splitlines()
    assert lines[0] == f"Example: alignscope {name} {command.first_call}".rstrip()
    assert lines[1].startswith(f"Usage:   alignscope {name} ")
    shown = [option.name for options in groups_of(command).values() for option in options]
    assert sorted(shown) == sorted(command.__struct_fields__)
    known = {flag for option in options_of(command) for flag in option.flags}
    assert {word for word in command.first_call.split() if word.startswith("-")} <= known
    for heading in command.headings:
        assert set(heading.partition(": ")[2].split()) <= set(shown)


def test_all_commands_have_one_line_each() -> None:
    lines = overview(COMMANDS, 80).splitlines()
    entries = [line for line in lines if re.match(r"  [a-z]+ {2,}[A-Z]", line)]
    assert sorted(line.split()[0] for line in entries) == sorted({name.split()[0] for name in COMMANDS})
    below = family_overview(COMMANDS, "data", 80)
    assert all(re.search(rf"^  {name.split()[1]}  +[A-Z].*$", below, re.M) for name in COMMANDS if " " in name)


def test_audit_shows_the_example_first() -> None:
    assert [option.name for option in groups_of(COMMANDS["audit"])["Input"]][:2] == ["example", "pair"]


HELPS = {
    "of all": (["--help"], "Usage: alignscope COMMAND"),
    "of all, short": (["-h"], "Usage: alignscope COMMAND"),
    "help": (["help"], "Usage: alignscope COMMAND"),
    "help audit": (["help", "audit"], "Example: alignscope audit"),
    "of one": (["audit", "x.npy", "-h"], "Example: alignscope audit"),
    "of data": (["data", "--help"], "Usage: alignscope data COMMAND"),
    "of one of data": (["data", "join", "--help"], "Example: alignscope data join"),
    "version": (["-V"], "alignscope 0."),
}


@pytest.mark.parametrize("name", HELPS)
def test_help_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, begin = HELPS[name]
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith(begin) and err == ""


@pytest.mark.parametrize("words", [[], ["data"], ["-v"]], ids=" ".join)
def test_too_few_words_get_help_on_stderr(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main(words)
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("Usage: alignscope") and "Examples:" in err


WRONG = {
    "a command": ("audti", r"there is no command audti\. Did you mean audit\?"),
    "a command far off": ("xyz", r"there is no command xyz\. `alignscope --help` lists all\."),
    "one of data, alone": ("join", r"there is no command join\. It is data join\."),
    "one of data": ("data trifeatur", r"data: there is no command trifeatur\. Did you mean trifeature\?"),
    "an option of all": ("--versoin", r"there is no option --versoin\. `alignscope"),
    "an option cut short": ("audit a b --y c", r"audit: there is no option --y\. Did you mean --y1\?"),
    "another word": ("audit a b --labels c", r"there is no option --labels\. Did you mean --y1\?"),
    "another word for one target": ("matrix a b --labels c", r"there is no option --labels\. Did you mean --y\?"),
    "a digit read as a letter": ("audit a b --yl c", r"there is no option --yl\. Did you mean --y1\?"),
    "another number": ("audit a b --y3 c", r"there is no option --y3\. Did you mean --y1 or --y2\?"),
    "a capital": ("matrix a b --Y c", r"there is no option --Y\. Did you mean --y\?"),
    "one that has its place": (
        "audit --x1 a",
        r"there is no option --x1\. Give X1 without it: alignscope audit X1 X2\.",
    ),
    "an option with a value": ("audit a b --fold=3", r"there is no option --fold\. Did you mean --folds\?"),
    "of another command": ("paper --only none", r"paper: there is no option --only"),
    "a letter": ("audit -z", r"audit: not understood: -z\."),
    "a word too many": (
        "audit a b c",
        r"audit: not understood: c\. A target is given by --y1 FILE\..*alignscope matrix A B C --y Y",
    ),
    "no specification": ("study", r"study: SPEC\.toml is missing\..*Example: alignscope study study\.toml"),
    "no number": ("data trifeature", r"data trifeature: --n is missing\..*Example:"),
    "not a whole number": ("audit a b --folds x", r"--folds: 'x' is no whole number\."),
    "not a number": ("audit a b --budget x", r"--budget: 'x' is no number\."),
    "none of the choices": ("audit a b --gauge raw", r"--gauge: 'raw' is none of 'fitted', 'whitened'\."),
    "a choice that may be left out": (
        "audit a b --training x",
        r"--training: 'x' is none of 'contrastive', 'predictive', 'supervised'\.",
    ),
    "no choice at all": ("audit a b --kind None", r"--kind: 'None' cannot be read\."),
    "no value": ("audit a b --out", r"audit: --out has no value\."),
    "too few values": ("data trifeature --n 3 --values 1 2", r"--values takes 3 values\."),
    "no method": ("bench --only", r"bench: --only has no value\. `alignscope bench --list`"),
    "no shell": ("--completion fish", r"--completion: fish\. Give one of bash, zsh, tcsh\."),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_words(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, match = WRONG[name]
    assert cli.main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and re.fullmatch(rf"alignscope: .*{match}.* \[E309\]\n", err), err
    assert tree(folder) == {}


def test_words_may_be_written_the_other_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x1, x2, *rest = given()(folder)
    assert cli.main(["-q", "audit", "-o", "run", "--lambdas=1:2:2", "--drop_missing", x1, x2, *rest]) == 0
    assert capsys.readouterr() == ("", "")
    assert Path("run/audit.json").is_file()


def test_results_go_to_a_folder_that_is_free(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("audit-2").mkdir()
    Path("audit-2/notes.txt").write_text("mine")
    arguments = given(*QUICK)(folder)
    said = []
    for _ in range(2):
        assert cli.main(["audit", *arguments]) == 0
        said.append(capsys.readouterr().out.splitlines())
    assert said[0][-2:] == ["Page:    audit/report.html", "Figures: audit/audit.json"]
    assert said[1][0] == "Results go to audit-3, since audit is taken."
    assert said[1][-1] == "Figures: audit-3/audit.json"
    assert list(Path("audit-2").iterdir()) == [Path("audit-2/notes.txt")]


def test_no_folder_is_announced_for_inputs_that_cannot_be_used(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("audit").mkdir()
    Path("audit/notes.txt").write_text("mine")
    assert cli.main(["audit", "x1.npy", "x2.npy"]) == 2
    assert capsys.readouterr().out == ""


def test_a_free_folder(folder: Path) -> None:
    Path("a").mkdir()
    assert free_folder("a") == Path("a")
    Path("a/file").touch()
    Path("a-2").touch()
    assert free_folder("a") == Path("a-3")
    assert free_folder("a", lambda folder: folder.is_file()) == Path("a-2")


def test_what_is_begun_goes_on_and_other_options_go_elsewhere(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rasterio")
    call = ["data", "treesatai-like", "--n", "1"]
    assert cli.main(call) == cli.main(call) == cli.main([*call, "--seed", "1"]) == 0
    out = capsys.readouterr().out
    assert out.count("Going on in treesatai-like, which holds results of this command.") == 1
    assert out.count("Results go to treesatai-like-2, since treesatai-like is taken.") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["treesatai-like", "treesatai-like-2"]


def test_quiet_and_verbose(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = given(*QUICK)(folder)
    assert cli.main(["audit", *arguments, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.main(["audit", *arguments, "-v"]) == 0
    out, err = capsys.readouterr()
    assert "Page:" in out and "drawing the page ...\n" in err
    assert "..." not in out


def test_progress_is_a_bar_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert Bar()._rich is not None
    assert Bar(lines=True)._rich is None
    assert Bar(hidden=True)._rich is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    with Bar() as progress:
        progress("training", 0.5)
    with Bar(lines=True, hidden=True) as progress:
        progress("training", 0.5)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("display", [":0", ""])
def test_open(display: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    for name in ("BROWSER", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", display)
    assert cli.main(["audit", *given(*QUICK)(folder), "--open"]) == 0
    out = capsys.readouterr().out
    assert opened == ([(folder / "audit/report.html").as_uri()] if display else [])
    assert ("There is no browser here to open the page in." in out) == (not display)


def test_rare_classes_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.array(["oak", "fir", *["ash"] * (len(Y1) - 2)])
    assert cli.main(["audit", *given(*QUICK, y1=labels)(folder)]) == 0
    assert "  AS112 " in capsys.readouterr().out


def test_explain_lists_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > len(CODES) and {"E101", "AS301"} <= {line.split()[0] for line in lines}
    assert cli.main(["explain", "e2"]) == 0
    assert {line[:2] for line in capsys.readouterr().out.splitlines()} == {"E2"}
    assert cli.main(["explain", "as301"]) == 0
    assert capsys.readouterr().out.startswith("AS301 (issue): ")


def test_bench_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--list"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^  cross +Cross \(InfoNCE\) \(also clip, infonce, info_nce\)$", out, re.M)
    assert re.search(r"^  gaussian +gaussian$", out, re.M)
    assert tree(folder) == {}


def test_a_shell_completes_commands_and_options(tmp_path: Path) -> None:
    script = subprocess.run(
        [sys.executable, "-m", "alignscope.cli", "--completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    (tmp_path / "complete.sh").write_text(script)
    asks = f"""source {tmp_path}/complete.sh
    for line in "a" "data tri" "audit --fold" "audit --gauge fit"; do
        COMP_WORDS=(alignscope $line); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMPREPLY=()
        _tyro_alignscope; echo "${{COMPREPLY[*]}}"
    done"""
    done = subprocess.run(["bash", "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["audit", "trifeature", "--folds", "fitted"]


def test_names_that_people_use() -> None:
    assert list(entries_of(read_scale("quick"), {}, ["clip", "none", "infonce"])) == ["cross", "none"]
    path = Path(__file__).parent.parent / "examples" / "study-contrastive.toml"
    text = path.read_text(encoding="utf-8")
    for name in ("clip", "infonce"):
        assert parse_spec(text.replace('"info_nce"', f'"{name}"')) == parse_spec(text)
    with pytest.raises(AlignscopeError, match=r"sweep\.objectives\[0\]\.kind"):
        parse_spec(text.replace('"info_nce"', '"clap"'))


def test_own_methods_run_beside_the_named_ones() -> None:
    own = dict.fromkeys(("mine", "other"), METHODS["none"])
    assert list(entries_of(read_scale("quick"), own, ["clip"])) == ["cross", "mine", "other"]
    assert list(entries_of(read_scale("quick"), own, ["mine", "clip"])) == ["mine", "cross"]


def test_a_bench_goes_on_where_all_trainings_are_its_own(tmp_path: Path) -> None:
    """Whatever tuning has chosen: every training that a bench may come to is known before."""
    spec = read_scale("quick")
    few, more = (entries_of(spec, {}, names) for names in (["clip", "canonical"], ["clip", "canonical", "none"]))
    tuned = {name: Choice(e.choices()[-1], 3) for name, e in few.items()}
    store = Store.open(tmp_path, BENCH)
    assert holds_only(tmp_path, [])  # killed before the first training ended
    for cell in cells_of(spec, few, tuned):
        (store.folder / "cells" / f"{cell.id}.json").touch()
    assert holds_only(tmp_path, possible_cells(spec, few))
    assert holds_only(tmp_path, possible_cells(spec, more))
    assert not holds_only(tmp_path, possible_cells(spec, entries_of(spec, {}, ["clip"])))
    assert not holds_only(tmp_path / "elsewhere", possible_cells(spec, more))


def test_a_study_goes_on_in_its_own_folder(folder: Path) -> None:
    """What a study began is gone on with; with other seeds as well; but not what others trained."""
    spec = parse_spec((Path(__file__).parent.parent / "examples" / "study-quick.toml").read_text(encoding="utf-8"))
    assert not goes_on_in(folder, Study.output, [spec], folder)
    store = Store.open(folder, STUDY)
    assert goes_on_in(folder, Study.output, [spec], folder)
    for cell in study_cells(replace(spec, data=spec.data.fingerprinted(folder))):
        (store.folder / "cells" / f"{cell.id}.json").touch()
    longer = replace(spec, sweep=replace(spec.sweep, seeds=(*spec.sweep.seeds, 99)))
    other = replace(spec, sweep=replace(spec.sweep, seeds=(99,)))
    assert [goes_on_in(folder, Study.output, [one], folder) for one in (spec, longer, other)] == [True, True, False]
    Path("results.json").write_text('{"kind": "join"}')
    assert not goes_on_in(folder, Study.output, [spec], folder)
