"""`python -m talent_frames` is `talent-frames`."""


def main() -> None:
    """Entry point. Every worker imports the main module, so the command line is loaded here and not above."""
    from talent_frames.cli import main as command

    command()


if __name__ == "__main__":
    main()
