"""The terminal that commands print to."""

from typing import Any

from rich.console import Console
from rich.text import Text

from action_recognition.utils.program import as_called
from action_recognition.utils.rank import is_first_process


class Terminal(Console):
    """Prints text as it is, with commands as the user types them; silent in all but the first training process."""

    def __init__(self) -> None:
        super().__init__(soft_wrap=True, highlight=False, markup=False, quiet=not is_first_process())

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(as_called(part) if isinstance(part, str) else part for part in objects), **options)

    def rule(self, title: Any = "", **options: Any) -> None:
        super().rule(Text.from_markup(as_called(title)) if isinstance(title, str) else title, **options)
