"""The harmony classifier (paper sec. 3.3): its networks, their checkpoints and the score."""
