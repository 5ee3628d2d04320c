"""WhatsApp Cloud API: what it is sent, what it answers, and the webhooks that it posts to us."""
