"""What `starter.py` offers: a module for each command, on the same parts as the worker and the gateway."""
