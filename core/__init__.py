"""What two rooms of the engine need: masks, the working view, values, weights (no host)."""
