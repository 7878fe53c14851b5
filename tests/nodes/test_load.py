import json

import pytest

from diff_harmonization.mini import loader
from diff_harmonization.nodes.load import LoadMiniHarmonyModel


def test_missing_weights_are_told_with_the_node(tmp_path, monkeypatch):
    manifest = tmp_path / "weights.json"
    manifest.write_text(json.dumps({"file": "gone.safetensors", "sha256": ""}))
    monkeypatch.setattr(loader, "MANIFEST", manifest)
    with pytest.raises(FileNotFoundError, match="^LoadMiniHarmonyModel: .*gone.safetensors is missing.*reinstall"):
        LoadMiniHarmonyModel.execute()
