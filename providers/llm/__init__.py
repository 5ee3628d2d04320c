"""One message from an OpenAI-compatible language model: prompt, call, answer, price."""
