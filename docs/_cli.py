"""The command-line reference: how every command is called, what it does, and a table of its options by heading."""

from __future__ import annotations

import inspect

from _tables import table
from alignscope import cli
from alignscope.cli._help import Option, groups_of
from alignscope.cli.options import Command


def reference() -> str:
    """Return every command with its options."""
    return "\n".join(_command(name, struct) for name, struct in cli.COMMANDS.items())


def _command(name: str, struct: type[Command]) -> str:
    about = (inspect.getdoc(struct) or "").strip()
    options = "\n".join(
        f"**{title}**\n\n" + table(["option", "default", "meaning"], [_row(option) for option in options])
        for title, options in groups_of(struct).items()
    )
    return f"## alignscope {name}\n\n```sh\nalignscope {name} {struct.first_call}\n```\n\n{about}\n\n{options}\n"


def _row(option: Option) -> list[str]:
    default = "required" if option.required else option.default and f"`{option.default}`"
    return [f"`{option.call}`", default, option.help]
