"""The commands that work with runs that are done, a module each; `talent_frames.cli` registers them."""
