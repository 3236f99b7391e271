"""What the pages of this room share: the frame, tables and pictures."""

from __future__ import annotations

import base64
import io
from html import escape
from string import Template
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["inline_png", "rows", "template"]


def template(name: str, style: str, body: str) -> Template:
    """Return a page, titled "name: $title", that needs nothing else. `style` comes after what all pages have."""
    return Template(f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}: $title</title>
<style>
:root {{ color-scheme: light; }}
body {{ margin: 0 auto; max-width: 1160px; padding: 24px 20px; font: 16px/1.55 system-ui, sans-serif; color: #1c2430; }}
h1 {{ font-size: 1.7rem; line-height: 1.25; }} h2 {{ font-size: 1.25rem; margin-top: 36px; }}
{style}</style>
</head>
<body>
<h1>{name}: $title</h1>
{body}</body>
</html>
""")


def rows(values: dict[str, Any], code: bool = False) -> str:
    """Return names and values as the rows of a table."""
    cells = {name: escape(str(value)) for name, value in values.items()}
    return "".join(
        f"<tr><th>{escape(name)}</th><td>{f'<code>{cell}</code>' if code else cell}</td></tr>"
        for name, cell in cells.items()
    )


def inline_png(image: Image) -> str:
    """Return a picture as the source of an img element."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
