"""Descriptions by Google's Gemini: the question, the key, the errors."""
