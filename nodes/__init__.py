"""One file a stage: a schema and one call into the engine."""
