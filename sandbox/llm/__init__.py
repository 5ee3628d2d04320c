"""A stand-in for an OpenAI-compatible server: the same wire format, a shop's phrases in place of a model."""
