from vision_models import clip_folder, llava_folder, offline, sam_folder  # noqa: F401
