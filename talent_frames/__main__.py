"""`python -m talent_frames` is `talent-frames`."""

from talent_frames.cli import main

if __name__ == "__main__":
    main()
