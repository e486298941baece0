"""What pages are looked at with: screens in CSS pixels, and what is asked of a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chromium import Page

DESK = (1200, 900)
PHONE = (390, 844)
SHEET = (695, 1000)  # what margins leave of A4
DRAWN = "document.documentElement.dataset.charts"
PROBES = Path(__file__).with_name("probes.js").read_text(encoding="utf-8")

Open = Callable[..., Page]
