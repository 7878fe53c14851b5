"""Pictures for people: the filmstrip, attention maps, curves (no host)."""
