"""The staff API: what the command line offers, for other systems and for a console, behind keys."""
