from vision_models import clip_folder, llava_folder, offline  # noqa: F401
