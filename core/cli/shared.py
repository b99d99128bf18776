"""What several verbs share: options, progress lines, a clean way out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any

from core.base.errors import ConfigError
from core.base.types import Progress


class Parser(argparse.ArgumentParser):
    """A parser, of all verbs or of one; `late` adds options that come from the engine, once the verb is asked for.

    So that no other verb waits for the engine to be imported.
    """

    late: Callable[[argparse.ArgumentParser], None] | None = None

    def parse_known_args(self, *args: Any, **named: Any) -> Any:
        if self.late is not None:
            add, self.late = self.late, None
            add(self)
        return super().parse_known_args(*args, **named)


def print_progress(stages: object) -> None:
    """A line for each stage that has ended, and on a terminal a live one for what was said last, of whichever stage."""
    live, ended = sys.stdout.isatty(), True
    for progress in stages:  # type: ignore[attr-defined]
        left = f", {progress.seconds_left:.0f} s left" if progress.seconds_left else ""
        line = f"{progress.stage:<16} {progress.fraction:6.1%}{left}  {progress.message}"
        ended = progress.done == progress.total
        if live:
            print(f"\r{line:<100.100}", end="\n" if ended else "", flush=True)
        elif ended:
            print(line, flush=True)
    if live and not ended:
        print()


def print_cautions(sentences: Iterable[str]) -> None:
    """What data are too small for, say, on stderr."""
    for sentence in sentences:
        print(f"warning: {sentence}", file=sys.stderr)


def print_steps(steps: Iterable[Progress]) -> None:
    """One line a step."""
    for step in steps:
        print(f"{step.stage:<12} {step.done:>4} of {step.total}  {step.message}", flush=True)


def overrides(settings: Sequence[str]) -> dict[str, str]:
    """{"encoder.epochs": "5"} from ["encoder.epochs=5"]; `ConfigError` where the equals sign is missing."""
    pairs = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: write it as GROUP.KEY=VALUE, for example encoder.epochs=5.")
        pairs[key.strip()] = value.strip()
    return pairs


def positive(text: str) -> int:
    """An integer above 0, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def terminate(_signal: int, _frame: FrameType | None) -> None:
    """Let a killed run leave through its `finally` blocks."""
    raise SystemExit(143)
