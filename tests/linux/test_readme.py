"""The configurations in the README can be copied as they stand."""

import re
import shutil
from pathlib import Path

from fixtures.certificates import Authority
from tidegate_linux.config import load_gateway, load_hub

README = Path(__file__).parents[2] / "README.md"


def blocks():
    """Return the README's TOML by what its first line says it is: a file's name, or what for."""
    texts = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    return {re.search(r"# (.+)", text)[1]: text for text in texts}


def test_the_readmes_files_are_loaded_without_a_warning(tmp_path):
    token = tmp_path / "site-7.token"
    token.write_text("0123456789abcdef" * 4 + "\n")
    token.chmod(0o600)
    for name, load in (("gateway.toml", load_gateway), ("hub.toml", load_hub)):
        path = tmp_path / name
        path.write_text(blocks()[name])
        _, advice = load(path)
        assert advice == []


def test_what_the_readme_adds_to_the_gateways_file_is_loaded_too(tmp_path):
    (tmp_path / "site-7.token").write_text("0123456789abcdef" * 4 + "\n")
    (tmp_path / "site-7.token").chmod(0o600)
    certificate, key = Authority(tmp_path / "authority").issue("site-7")
    shutil.copy(certificate, tmp_path / "site-7.crt")
    shutil.copy(key, tmp_path / "site-7.key")
    found = blocks()
    (tmp_path / "nodes.tokens").write_text(f"greenhouse-1 {'0123456789abcdef' * 4}\n")
    (tmp_path / "nodes.tokens").chmod(0o600)
    additions = [name for name in found if name.startswith("to gateway.toml")]
    assert len(additions) == 3
    path = tmp_path / "gateway.toml"
    path.write_text("\n".join(found[name] for name in ("gateway.toml", *additions)))
    settings, _ = load_gateway(path)
    assert len(settings.listeners) == 2
    assert len(settings.sources) == 1
    assert len(settings.source_paths("nodes")) == 1
    assert settings.access[0].publish == ("site/%u/#",)
