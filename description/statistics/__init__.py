"""Descriptions by color statistics: no model and no download."""
