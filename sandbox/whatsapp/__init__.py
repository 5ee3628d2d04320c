"""A stand-in for the WhatsApp Cloud API: the same wire format, its own templates, its own books."""
