"""Figures beside their yardsticks, measured in one run: `make bench` (what each means: `docs/benchmarks.md`)."""
