"""The four stages, one room each, and the modules they share."""
