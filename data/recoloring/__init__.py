"""Changes of an object's colors, for the pairs of benchmarks and for every training.

lab: changes of tones in Lab, by degrees. families: many more, each at any strength. degradation: what cameras, files
and resizing do to a picture afterwards.
"""
