"""What people are told: documents about customers and journeys, read from the database for every door."""
