"""Local stand-ins for the three providers, and simulated customers."""
