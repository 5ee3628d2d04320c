"""What the rules say: pure functions of models and time. No I/O, no clock, no randomness."""
