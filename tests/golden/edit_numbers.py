"""Context templates, second moments, ROME and MEMIT, by the peers of tests/bench."""

import copy

import torch
from peer_common import edited_module
from peer_eval import Evaluator
from peer_memit import MemitEditor
from peer_rome import RomeEditor
from peer_stats import second_moments
from world import World, factors, hparams

FIRST_WORDS = ["The", "Therefore", "Because", "I", "You"]
MOMENT_ROWS = 64  # of as many tokens as the model has positions
MOMENT_LAYERS = [0, 1]
KEPT_ROWS = 32  # every 32nd row of a moment is stored
PUBLISHED_STEPS = {"v_num_grad_steps": 20, "v_lr": 0.5, "clamp_norm_factor": 4}  # of gpt2-xl


def templates(world: World) -> dict:
    """Beginnings of a few words that the model itself goes on with, as ROME samples them."""
    model, tokenizer = world.model(), world.tokenizer
    torch.manual_seed(42)

    def sampled(word: str, length: int) -> str:
        ids = tokenizer(word, return_tensors="pt")
        out = model.generate(**ids, do_sample=True, top_k=5, max_new_tokens=length, pad_token_id=tokenizer.eos_token_id)
        text = tokenizer.decode(out[0]).replace("{", " ").replace("}", " ")
        return text + ". {}"

    [[length, count]] = hparams("rome")["context_template_length_params"]
    rome = ["{}", *(sampled(word, length) for word in FIRST_WORDS for _ in range(count))]
    short = ["{}", *(sampled(word, length) for word in FIRST_WORDS)]
    memit = [["{}"], [sampled(word, 2 * length) for word in FIRST_WORDS]]
    return {"rome_full": rome, "rome_short": short, "memit": memit}


def moments(world: World) -> tuple[dict, dict[int, torch.Tensor]]:
    """The stored numbers, and the whole moments."""
    model = world.model()
    positions = model.config.n_positions
    ids = world.tokenizer.encode(world.text("sample.txt")[:60_000])
    ids = torch.tensor(ids[: MOMENT_ROWS * positions]).view(MOMENT_ROWS, positions)
    whole = dict(zip(MOMENT_LAYERS, second_moments(model, MOMENT_LAYERS, ids, 8)))
    rows = {f"moment.{layer}": matrix[::KEPT_ROWS].contiguous() for layer, matrix in whole.items()}
    return {"cov.safetensors": {"token_ids": ids.int(), **rows}}, whole


class TracedRomeEditor(RomeEditor):
    """Keeps what the edit passes through. With a moment C, keys become C^-1 k."""

    moment: torch.Tensor | None = None

    def left_vector(self, prompt: str, subject: str) -> torch.Tensor:
        self.key = self.read_projection([template.format(prompt) for template in self.templates], subject)[0].mean(0)
        if self.moment is None:
            return super().left_vector(prompt, subject)
        adjusted = torch.linalg.solve(self.moment.double(), self.key.double()).float()
        return adjusted / adjusted.norm()

    def search_value(self, prompt: str, subject: str, target: str):
        self.start, delta, steps = super().search_value(prompt, subject, target)
        return self.start, delta, steps

    def traced(self, record: dict) -> dict:
        edit = self.edit(record)
        return {**edit, "key": self.key, "target_init": self.start}


class Editing:
    """The world with a model, for all edits that take it back."""

    def __init__(self, world: World, templates: dict) -> None:
        self.world, self.templates = world, templates
        self.model, self.original = world.model(), world.model()

    def rome(self, name: str, records: list[dict], templates: list[str], changes: dict | None = None, moment=None) -> dict:
        settings = hparams("rome") | (changes or {})
        editor = TracedRomeEditor(self.model, self.world.tokenizer, templates, settings, mended=False)
        editor.moment = moment
        edits, items = [], []
        for record in copy.deepcopy(records):
            edit = editor.traced(record)
            edits.append(edit)
            after = self.after(editor.layer, record, edit)
            items.append({**record, **self.rows(editor, record), "steps": edit["steps"], "after": after})
        return {
            f"{name}.json": {"hparams": settings, "records": items},
            f"{name}.safetensors": factors(edits, "key", "u", "v", "target_init"),
        }

    def rows(self, editor: RomeEditor, record: dict) -> dict:
        """The token ids that the search runs over, and the places of the subject's last token in them."""
        tokenizer, subject = self.world.tokenizer, record["subject"]
        target = tokenizer.encode(" " + record["target_new"])
        prompts = [template.format(record["prompt_template"]) + tokenizer.decode(target[:-1]) for template in editor.templates]
        prompts.append("{} is a")
        return {
            "target_ids": target,
            "input_ids": [tokenizer.encode(prompt.format(subject)) for prompt in prompts],
            "lookup_idxs": [editor.subject_end(prompt, subject) for prompt in prompts],
        }

    @torch.no_grad()
    def after(self, layer: int, record: dict, edit: dict) -> list[dict]:
        """First tokens of the objects under the edit, behind the prompt and its paraphrases."""
        tokenizer, weight = self.world.tokenizer, edited_module(self.model, layer).weight
        true, new = (tokenizer.encode(" " + record[kind])[0] for kind in ("ground_truth", "target_new"))
        weight += torch.outer(edit["u"], edit["v"])
        probes = []
        for prompt in [record["prompt"], *record["paraphrases"]]:
            log_probs = self.model(torch.tensor([tokenizer.encode(prompt)])).logits[0, -1].log_softmax(-1)
            numbers = {"lp_true_first": log_probs[true].item(), "lp_new_first": log_probs[new].item()}
            probes.append({"prompt": prompt, "first_true": true, "first_new": new, **numbers, "top1": log_probs.argmax().item()})
        weight.copy_(edited_module(self.original, layer).weight)
        return probes

    def memit(self, name: str, records: list[dict], moments: dict, weights: list[int], changes: dict | None = None) -> dict:
        settings = hparams("memit") | (changes or {})
        editor = MemitEditor(self.model, self.world.tokenizer, self.templates["memit"], settings, moments, mended=False)
        found = [editor.find_value(record) for record in records]
        values = torch.stack([value for value, _ in found])
        before = self.scores(records)
        files = {f"{name}_z.safetensors": {"z": values}}
        runs = {}
        for weight in weights:
            editor.hparams = {**settings, "mom2_update_weight": weight}
            solves = editor.solve(records, values)
            files[f"{name}_{weight}.safetensors"] = {
                f"{kind}.{layer}": tensor.float()
                for layer, solve in zip(settings["layers"], solves)
                for kind, tensor in solve.items()
            }
            runs[str(weight)] = {"rates": rates(self.scores_under(settings["layers"], records, solves))}
        items = [{**record, "z_steps": steps, "before": score} for record, (_, steps), score in zip(records, found, before)]
        whole = {"hparams": settings, "before_rates": rates(before), "runs": runs, "records": items}
        return {f"{name}.json": whole, **files}

    def scores(self, records: list[dict]) -> list[dict]:
        """[log P(true), log P(new)] of every prompt of every record."""
        evaluator = Evaluator(self.original, self.model, self.world.tokenizer, mended=False)

        @torch.no_grad()
        def score(record: dict, prompts: list[str]) -> list[list[float]]:
            targets = record["ground_truth"], record["target_new"]
            return [[evaluator.sequence_score(prompt, target) for target in targets] for prompt in prompts]

        return [
            {
                "rewrite": score(record, [record["prompt"]]),
                "paraphrase": score(record, record["paraphrases"]),
                "neighborhood": score(record, record["neighborhood"]),
            }
            for record in records
        ]

    @torch.no_grad()
    def scores_under(self, layers: list[int], records: list[dict], solves: list[dict]) -> list[dict]:
        for layer, solve in zip(layers, solves):
            edited_module(self.model, layer).weight += (solve["adj_k"] @ solve["resid"].t()).float()
        scores = self.scores(records)
        for layer in layers:
            edited_module(self.model, layer).weight.copy_(edited_module(self.original, layer).weight)
        return scores


def rates(scores: list[dict]) -> dict[str, float]:
    """Shares of prompts whose new object is likelier; of neighbours, whose new one is not."""
    result = {}
    for kind in ("rewrite", "paraphrase", "neighborhood"):
        wins = [new > true for score in scores for true, new in score[kind]]
        result[kind] = sum(wins) / len(wins)
    result["neighborhood"] = 1 - result["neighborhood"]
    return result
