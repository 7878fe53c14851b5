"""The command line: one picture, folders here and on Ray, clips, and the demo on a real ComfyUI server."""
