"""QR codes for answers of the HTTP API."""

from __future__ import annotations

import io

import segno


def svg(text: str) -> str:
    """A text as a QR code, in SVG."""
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", xmldecl=False, border=2, omitsize=True)
    return out.getvalue().decode()
