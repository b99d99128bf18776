"""What the ICU study and its presets are called: known before anything heavy is loaded."""

from __future__ import annotations

KIND, TITLE = "icu", "the ICU study"  # in manifests, and in messages
PRESET_NAMES = ("quick", "standard", "published")
