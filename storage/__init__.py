"""The database: engine, unit of work, ingest, claim, queries. The only room with SQL."""
