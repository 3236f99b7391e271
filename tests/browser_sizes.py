"""The windows that pages are looked at in."""

WIDE, NARROW = {"width": 1200, "height": 900}, {"width": 400, "height": 800}
