"""The command line: the demo on a real ComfyUI server."""
