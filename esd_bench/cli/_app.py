"""The command line itself: what every command shares, and how it ends."""

import os
import sys
import warnings

import typer
from rich.console import Console

app = typer.Typer(
    name="esd-bench",
    help="Measure mode collapse in score distillation for text-to-3D (arXiv 2401.00909).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

err = Console(stderr=True)

out = Console()


def main() -> None:
    """Run the command line; bad input is one clear line and exit code 2."""
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its retries would bury that line
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *rest: aside(f"warning: {message}")
            sys.exit(app(standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        aside("stopped; run the same command again to go on")
        sys.exit(130)
    except Exception as error:
        sys.exit(_refuse(error))


def _refuse(error: Exception) -> int:
    """One line for what a user can mend; a traceback only for what we must."""
    format_message = getattr(error, "format_message", None)
    if format_message is not None:
        said = format_message()
        aside(f"error: {said}" if said else "say what to do; --help explains")
        return 2
    known = (ValueError, OSError, ImportError, NotImplementedError)
    if isinstance(error, known) and not os.environ.get("ESD_BENCH_DEBUG"):
        aside(f"error: {' '.join(str(error).split())}")
        return 2
    if type(error).__name__ == "OutOfMemoryError":
        aside("error: the GPU's memory is full; use a smaller --pack, or prior.dtype=float16")
        return 2
    raise error


def say(line: object) -> None:
    """A line of the answer, as it is."""
    out.print(str(line), highlight=False, markup=False, soft_wrap=True)


def aside(line: object) -> None:
    """A line beside the answer, on stderr."""
    err.print(str(line), highlight=False, markup=False, soft_wrap=True)
