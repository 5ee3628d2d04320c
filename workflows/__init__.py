"""Orchestration only: time, order, decisions and exit reasons. Deterministic, and replayed in CI."""
