"""Which files of a model onemask needs, out of the hub's list of all: model_files.py LIST.json MODEL

Prints "size kind digest name" of each: kind is sha256, of the content, or git, the hash that git gives a small file.
"""

import json
import re
import sys
from pathlib import Path

CONFIGURATION = ["config.json", "generation_config.json"]
TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "added_tokens.json"]
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"model-[0-9]{5}-of-([0-9]{5})\.safetensors")


def line_of(name: str, entry: dict) -> str:
    large = entry.get("lfs")
    source = large if isinstance(large, dict) else entry
    kind, digits = ("sha256", 64) if source is large else ("git", 40)
    size, digest = source.get("size"), source.get("oid")
    if not isinstance(size, int) or not isinstance(digest, str) or not re.fullmatch(rf"[0-9a-f]{{{digits}}}", digest):
        sys.exit(f"The hub gives no size and hash of '{name}', so that it cannot be checked.")
    return f"{size} {kind} {digest} {name}"


def main() -> None:
    model = sys.argv[2]
    try:
        files = {entry["path"]: entry for entry in json.loads(Path(sys.argv[1]).read_bytes()) if entry["type"] == "file"}
    except (ValueError, KeyError, TypeError):
        sys.exit(f"The hub's list of the files of '{model}' cannot be read. Check HF_ENDPOINT.")
    if "config.json" not in files:
        sys.exit(f"'{model}' has no config.json at this revision, so it is no model that onemask can read.")
    weights = [WEIGHTS] if WEIGHTS in files else sorted(filter(SHARD.fullmatch, files))
    if not weights:
        sys.exit(f"'{model}' has no safetensors weights at this revision, and onemask reads no others. Try another --revision.")
    if weights != [WEIGHTS]:
        if INDEX not in files or any(int(SHARD.fullmatch(name)[1]) != len(weights) for name in weights):
            sys.exit(f"'{model}' has {len(weights)} pieces of weights at this revision, and not all, or not their index.")
        weights.insert(0, INDEX)
    for name in [*CONFIGURATION, *TOKENIZER, *weights]:
        if name in files:
            print(line_of(name, files[name]))


main()
