"""What is wrong with a study, said with the line of its file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One mistake. `line` counts from 1; None where the whole file is meant."""

    line: int | None
    text: str


class StudyError(Exception):
    """A study that cannot be run; `problems` says everything that is wrong with it."""

    def __init__(self, file: str, problems: list[Problem]):
        self.file, self.problems = file, problems
        super().__init__("\n".join(f"{file}:{problem.line or 1}: {problem.text}" for problem in problems))


class OptionError(Exception):
    """Options of the command that cannot be meant."""


class StoppedError(Exception):
    """A study that cannot go on now; what is done stays done, and the same command goes on from there."""
