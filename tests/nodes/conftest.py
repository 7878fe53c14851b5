import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # graphs

from graphs import composite_copy, composite_name, example, mask_name  # noqa: E402, F401
