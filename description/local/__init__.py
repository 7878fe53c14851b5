"""Descriptions by vision models on this machine: CLIP, and vision-language models."""
