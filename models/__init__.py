"""What things are: words, enums, journey definitions, tables. Imports nothing of ours."""
