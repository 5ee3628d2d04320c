"""The whole of Rekindle under faults, with real processes, and the books that say whether its promises held."""
