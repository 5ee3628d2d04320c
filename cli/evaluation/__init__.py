"""`evaluate`: how well the configured model judges conversations that people have judged."""
