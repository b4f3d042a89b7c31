"""`python -m talent_frames` is `talent-frames`."""

import sys


def main() -> None:
    """Entry point. Every worker imports the main module, so the command line is loaded here and not above."""
    try:
        from talent_frames.cli import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
