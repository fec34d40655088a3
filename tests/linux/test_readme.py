"""The configurations in the README can be copied as they stand."""

import re
from pathlib import Path

from tidegate_linux.config import load_gateway, load_hub

README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_files_are_loaded_without_a_warning(tmp_path):
    texts = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    names = [re.search(r"# (\w+\.toml)", text)[1] for text in texts]
    assert names == ["gateway.toml", "hub.toml"]
    token = tmp_path / "site-7.token"
    token.write_text("0123456789abcdef" * 4 + "\n")
    token.chmod(0o600)
    for name, text, load in zip(names, texts, (load_gateway, load_hub), strict=True):
        path = tmp_path / name
        path.write_text(text)
        _, advice = load(path)
        assert advice == []
