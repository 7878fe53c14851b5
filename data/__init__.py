"""Photo sets, composite-truth pairs and recolorings, for trainings and benchmarks."""
