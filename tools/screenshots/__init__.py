"""Pictures of ComfyUI's page for the docs and for the nodes' help, taken by driving a browser."""
