"""The gateway: signed webhooks in, the relay that tells the journeys."""
