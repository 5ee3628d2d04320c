"""Names of the task queues (DESIGN section 4); a shop's and a number's own are properties of `StoreParts`."""

MAIN = "rekindle"
"""Workflows, and activities that touch the database alone."""

LLM = "rekindle-llm"
"""The language model's, whose server-side rate is the model's."""
