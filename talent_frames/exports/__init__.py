"""A run handed on to other programs, a module for each kind of file. Pure but for the files they write."""
