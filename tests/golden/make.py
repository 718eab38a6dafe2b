#!/usr/bin/env python3
"""Makes the golden numbers of the model that ships, or holds new ones against those that are there.

  make.py                      writes tests/golden/world-gpt2 and tests/golden/tiny-llama (5 minutes of one core)
  make.py --compare            writes nothing and says how far new numbers are from the stored ones

See README.md beside this file for what is in them and what they were made with.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "bench"))  # where the peers are

import torch  # noqa: E402
from dropped_numbers import dropped_numbers  # noqa: E402
from edit_numbers import PUBLISHED_STEPS, Editing, moments, templates  # noqa: E402
from mask_numbers import Masking  # noqa: E402
from peer_common import distance  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from text_numbers import llama3_tokenizer, logit_numbers, tiny_llama, tokenizer_numbers  # noqa: E402
from transformers import LlamaForCausalLM  # noqa: E402
from world import World, hparams  # noqa: E402


def world_numbers(world: World) -> dict:
    contexts = templates(world)
    files = {"context_templates.json": contexts, **tokenizer_numbers(world)}
    files |= logit_numbers(world, world.model(), world.tokenizer.encode, "")

    stored, whole = moments(world)
    files |= stored
    editing, first = Editing(world, contexts), world.records("train.json", 0, 1)[:8]
    [layer] = hparams("rome")["layers"]
    files |= editing.rome("rome", first, contexts["rome_full"])
    files |= editing.rome("rome_seedhp", first[:4], contexts["rome_short"], PUBLISHED_STEPS)
    files |= editing.rome("rome_mom2", first[:6], contexts["rome_full"], {"mom2_adjustment": True}, whole[layer])
    files |= editing.memit("memit", world.records("train.json", 20, 2), whole, [100, 1000])
    files |= editing.memit("memit_spread", world.records("train.json", 30, 1)[:8], whole, [100], {"layers": [0, 1]})

    edits = {}
    for split, count in (("train", 2), ("heldout", 1)):
        records = world.records(f"{split}.json", 10, count)
        edits |= editing.rome(f"mask_edits_{split}", records, contexts["rome_short"][:3])
    masking = Masking(world, edits)
    trained, mask = masking.training()
    files |= trained | masking.evaluation(mask) | masking.perplexities(mask)
    files |= dropped_numbers(world)
    return files | {name: lean(content) for name, content in edits.items()}


def lean(content: dict) -> dict:
    """Of the edits that masks are trained on, only what their readers need."""
    if "records" not in content:
        return {name: content[name] for name in ("u", "v")}
    dropped = ("input_ids", "lookup_idxs", "target_ids", "steps", "after", "neighborhood", "prompt_template")
    return {**content, "records": [{k: v for k, v in record.items() if k not in dropped} for record in content["records"]]}


def llama_numbers(world: World, folder: Path) -> dict:
    """Also writes the model and its tokenizer."""
    tokenizer = llama3_tokenizer(world, special=True)
    tiny_llama(tokenizer).to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    # Loaded again: a model that was bfloat16 once has rounded rotary frequencies.
    model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    return logit_numbers(world, model, lambda text: tokenizer.encode(text).ids, "_llama")


def plain(content):
    """JSON with the nine digits that a float32 needs."""
    if isinstance(content, float):
        return float(f"{content:.9g}")
    if isinstance(content, dict):
        return {name: plain(value) for name, value in content.items()}
    return [plain(value) for value in content] if isinstance(content, (list, tuple)) else content


def write(folder: Path, files: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if name.endswith(".json"):
            text = json.dumps(plain(content), ensure_ascii=False, separators=(",", ":"))
            (folder / name).write_text(text + "\n", encoding="utf-8")
        else:
            save_file({key: tensor.contiguous() for key, tensor in content.items()}, folder / name)


def make(folder: Path) -> None:
    world = World()
    llama = folder / "tiny-llama"
    llama.mkdir(parents=True, exist_ok=True)
    write(llama, llama_numbers(world, llama))
    write(folder / "world-gpt2", world_numbers(world))


def difference(new, old) -> float:
    """The largest of all numbers: absolute below 1, relative above; infinite where anything else differs."""
    if isinstance(new, dict) and isinstance(old, dict) and new.keys() == old.keys():
        return max((difference(new[name], old[name]) for name in new), default=0.0)
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return max(map(difference, new, old), default=0.0)
    if isinstance(new, float) and isinstance(old, float):
        return abs(new - old) / max(1.0, abs(old))
    return 0.0 if new == old else float("inf")


def compare(new: Path, old: Path) -> None:
    for file in sorted(new.rglob("*.*")):
        before = old / file.relative_to(new)
        if file.suffix == ".json":
            worst = difference(json.loads(file.read_text()), json.loads(before.read_text()))
            print(f"{file.relative_to(new)}: {worst:.1e}")
        else:
            tensors, stored = load_file(file), load_file(before)
            errors = {name: distance(tensor.double(), stored[name].double()) for name, tensor in tensors.items()}
            print(f"{file.relative_to(new)}:", *(f"{name} {error:.1e}" for name, error in errors.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.compare:
        return make(HERE)
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        compare(Path(folder), HERE)


if __name__ == "__main__":
    main()
