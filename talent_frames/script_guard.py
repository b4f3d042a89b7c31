"""Whether a script may start workers: each imports the script it was started from."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from lambdas.errors import BadInput


class UnguardedScript(BadInput):
    """A script that workers would run again: each imports the script it was started from."""


def check_guarded() -> None:
    """Passes unless a script calls from outside `if __name__ == "__main__":`. Raises UnguardedScript.

    Workers are spawned, and a spawned process imports the script: without the guard it would start a run of its own.
    """
    frame = inspect.currentframe()
    while frame is not None and (frame.f_code.co_name, frame.f_globals.get("__name__")) != ("<module>", "__main__"):
        frame = frame.f_back
    if frame is None or frame.f_globals.get("__spec__") is not None:
        # Called by something imported, or by `python -m`, whose module workers know by another name.
        return
    script = Path(frame.f_code.co_filename)
    if not script.is_file():
        # A notebook or a prompt.
        return
    tree = ast.parse(script.read_text(encoding="utf-8"))
    guards = [one for one in ast.walk(tree) if isinstance(one, ast.If) and "__name__" in ast.unparse(one.test)]
    if any(one.lineno <= frame.f_lineno <= (one.end_lineno or 0) for one in guards):
        return
    raise UnguardedScript(
        f"{script.name}, line {frame.f_lineno}: workers are processes that import this script, so call it within "
        'if __name__ == "__main__": (or give workers=1)'
    )
