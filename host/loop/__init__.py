"""The loop in the host: passes by graph expansion, kept and shown."""
