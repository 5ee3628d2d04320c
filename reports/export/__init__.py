"""A journey's report: a row for each message, each order, and whoever got no message, with the reason."""
