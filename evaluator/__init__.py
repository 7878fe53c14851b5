"""The harmony classifier and the loop's decision policy (paper 3.3)."""
