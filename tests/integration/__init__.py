"""Several parts of Rekindle, or several of its processes, on a real Temporal server."""
