"""The states of the machine, by theme. Each builds on `language` alone; infra/workflow.py puts them together."""
