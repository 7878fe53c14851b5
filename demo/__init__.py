"""The workflow run on a real ComfyUI server, from the command line."""
