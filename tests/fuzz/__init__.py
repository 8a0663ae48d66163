"""Fuzzing: inputs that nobody would write, by the million. `make fuzz SECONDS=3600`; CI runs it for two minutes."""
