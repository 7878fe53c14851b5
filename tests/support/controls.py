"""What sampling uses of a ControlNet; tests say what theirs gives out."""


class FakeControl:
    """Counts how often it is cleaned up."""

    extra_hooks = previous_controlnet = None

    def __init__(self):
        self.cleaned, self.multigpu_clones = 0, {}

    def get_models(self):
        return []

    def get_extra_hooks(self):
        return []

    def inference_memory_requirements(self, dtype):
        return 0

    def pre_run(self, model, percent_to_timestep):
        pass

    def cleanup(self):
        self.cleaned += 1
