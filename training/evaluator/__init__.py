"""The evaluator's training."""
