"""What the parts of the baseline share: where files are, how model and tokenizer are loaded, how numbers are compared."""

import json
import os
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import GPT2LMHeadModel, GPT2Tokenizer

TOLERANCE = 1e-3  # relative, or absolute below 1: what the golden numbers allow


def shared_folder() -> Path:
    """The folder of checkpoints and golden numbers: ONEMASK_SHARED, or ../shared beside the repository."""
    named = os.environ.get("ONEMASK_SHARED")
    return Path(named) if named else Path(__file__).resolve().parents[3] / "shared"


def read_json(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{path} cannot be read ({error}): name the file, or set ONEMASK_SHARED to the folder that holds golden/.")


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        sys.exit(f"{path} is missing: it must lie beside the records it belongs to.")
    return load_file(path)


def load_model(folder: Path) -> GPT2LMHeadModel:
    """The checkpoint in float32 on the CPU, in evaluation mode; its parameters ask for gradients, as when peers load it."""
    return GPT2LMHeadModel.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True).eval()


def load_tokenizer(folder: Path) -> GPT2Tokenizer:
    """The slow GPT-2 tokenizer without prefix space, padding on the right with the end-of-text token."""
    tokenizer = GPT2Tokenizer.from_pretrained(folder, local_files_only=True, add_prefix_space=False)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def edited_name(model, layer: int) -> str:
    """The MLP's second projection in the model without its unembedding: of GPT-2, or of Llama."""
    return f"h.{layer}.mlp.c_proj" if model.config.model_type == "gpt2" else f"layers.{layer}.mlp.down_proj"


def edited_module(model, layer: int) -> torch.nn.Module:
    """The MLP's second projection."""
    return model.base_model.get_submodule(edited_name(model, layer))


def rank_one(model, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """The update of u [in] and v [out] as the model keeps its matrices: GPT-2 [in, out], Llama [out, in]."""
    return torch.outer(u, v) if model.config.model_type == "gpt2" else torch.outer(v, u)


def hidden_state(output) -> torch.Tensor:
    """A block's output; some versions of transformers wrap it in a tuple."""
    return output[0] if isinstance(output, tuple) else output


def distance(ours: torch.Tensor, golden: torch.Tensor) -> float:
    """Norm of the difference over the golden norm."""
    return ((ours - golden).norm() / golden.norm()).item()


def difference(ours: float, golden: float) -> float:
    """Absolute below 1, relative above."""
    return abs(ours - golden) / max(1.0, abs(golden))


class Check:
    """Keeps the worst disagreement of each quantity with the golden numbers."""

    def __init__(self) -> None:
        self.worst: dict[str, float] = {}

    def note(self, quantity: str, disagreement: float) -> None:
        # A NaN compares false with everything, so it is kept as infinite and fails.
        error = disagreement if disagreement == disagreement else float("inf")
        self.worst[quantity] = max(self.worst.get(quantity, 0.0), error)

    def passed(self) -> bool:
        return bool(self.worst) and all(error <= TOLERANCE for error in self.worst.values())
