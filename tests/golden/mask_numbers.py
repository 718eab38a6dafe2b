"""Training of the shared mask, and evaluation under it, by the peers of tests/bench."""

import math
import random

import torch
from peer_common import edited_module
from peer_eval import MODES, Evaluator
from peer_mask import SETTINGS, MaskTrainer
from text_numbers import PERPLEXITY_IDS, perplexity
from transformers import GPT2Tokenizer
from world import World

EPOCHS, BATCH, RATE = 16, 5, 0.05
TRAINED = 0.75  # share of the facts; the others validate
THRESHOLD = 0.7
KEPT_ROWS = 16  # every 16th row of a matrix is stored


class Masking:
    """The world with the edits that masks are trained and scored on."""

    def __init__(self, world: World, edits: dict) -> None:
        self.world, self.layer = world, edits["mask_edits_train.json"]["hparams"]["layers"][0]
        self.train, self.heldout = (edits[f"mask_edits_{split}.json"]["records"] for split in ("train", "heldout"))
        self.factors = {}
        for split, records in (("train", self.train), ("heldout", self.heldout)):
            tensors = edits[f"mask_edits_{split}.safetensors"]
            for record, u, v in zip(records, tensors["u"], tensors["v"]):
                self.factors[record["case_id"]] = u, v

    def training(self) -> tuple[dict, torch.Tensor]:
        """The stored numbers, and the binary mask [in, out]."""
        model = self.world.model()
        order = list(self.train)
        shuffle = random.Random(1234).shuffle
        shuffle(order)
        count = int(TRAINED * len(order))
        train, validation = order[:count], order[count:]

        trainer = MaskTrainer(model, self.world.tokenizer, self.layer, EPOCHS, SETTINGS, mended=False)
        trainer.optimizer.param_groups[0]["lr"] = RATE
        with torch.no_grad():
            trainer.theta.copy_(trainer.theta.half())  # so that what is stored in float16 is what was trained
        numbers = {"theta_init": trainer.theta.detach().half()}
        data = [trainer.prepare(record, *self.factors[record["case_id"]]) for record in train]
        log = []
        for epoch in range(EPOCHS):
            places = list(range(count))
            shuffle(places)
            steps = []
            for first in range(0, count, BATCH):
                soft = self.soft_mask(trainer, epoch)
                steps.append(trainer.step([data[place] for place in places[first : first + BATCH]], epoch))
                gradient = steps[-1].pop("first_gradient")
                if gradient is not None:
                    numbers["grad_step0_unclipped"] = gradient[::KEPT_ROWS].contiguous()
            if epoch == 0:
                numbers["theta_after_epoch1"] = trainer.theta.detach()[::KEPT_ROWS].contiguous()
            means = {name: sum(step[name] for step in steps) / len(steps) for name in ("L_rest", "L_spar", "L_aux")}
            restored = [self.prefers_true(model, record, soft) for record in validation]
            log.append({"epoch": epoch, **means, "val_rsr": sum(restored) / len(restored), "perm": places, "steps": steps})
        numbers["soft_mask_final"] = soft[::KEPT_ROWS].contiguous()
        kept = {str(threshold): (soft >= threshold).float().mean().item() for threshold in (0.5, 0.7, 0.9)}
        whole = {
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "lr": RATE,
            "hparams": SETTINGS,
            "train_case_ids": [record["case_id"] for record in train],
            "val_case_ids": [record["case_id"] for record in validation],
            "kept_fraction": kept,
            "epochs_log": log,
        }
        return {"mask_train.json": whole, "mask_train.safetensors": numbers}, soft >= THRESHOLD

    @staticmethod
    def soft_mask(trainer: MaskTrainer, epoch: int) -> torch.Tensor:
        tau = trainer.settings["tau0"] * math.exp(-trainer.settings["tau_decay"] * epoch / trainer.total_epochs)
        return torch.sigmoid(trainer.theta.detach() / tau)

    def prefers_true(self, model, record: dict, mask: torch.Tensor) -> bool:
        evaluator = Evaluator(model, model, self.world.tokenizer, mended=False)
        with Edited(model, self.layer, *self.factors[record["case_id"]], mask):
            true, new = (evaluator.sequence_score(record["prompt"], record[kind]) for kind in ("ground_truth", "target_new"))
        return true > new

    def evaluation(self, mask: torch.Tensor) -> dict:
        records = self.train[::3] + self.heldout[::2]
        files = {"eval_mask.safetensors": {"mask": mask.to(torch.uint8)}}
        for suffix, space in (("", False), ("_aps1", True)):
            tokenizer = GPT2Tokenizer.from_pretrained(self.world.folder, add_prefix_space=space)
            evaluator = Evaluator(self.world.model(), self.world.model(), tokenizer, mended=False)
            items = []
            for record in records:
                item = {"case_id": record["case_id"], "relation": record["relation"]}
                for mode in MODES:
                    with self.edited(evaluator.model, record, mode, mask):
                        item[mode] = evaluator.evaluate(record["prompt"], record["ground_truth"], record["target_new"])
                items.append(item)
            files[f"eval{suffix}.json"] = {"aps": int(space), "kept": mask.float().mean().item(), "records": items}
        return files

    def perplexities(self, mask: torch.Tensor) -> dict:
        model = self.world.model()
        ids = torch.tensor(self.world.tokenizer.encode(self.world.text("prose_heldout.txt"))[:PERPLEXITY_IDS])
        positions, result = model.config.n_positions, {"n_tokens": len(ids)}
        for length, stride in ((positions, positions), (positions, positions // 2), (positions // 2, positions // 2)):
            numbers = {"original": perplexity(model, ids, length, stride)}
            for record in (self.train[0], self.heldout[0]):
                for mode in MODES[1:]:
                    with self.edited(model, record, mode, mask):
                        numbers[f"{mode}_{record['case_id']}"] = perplexity(model, ids, length, stride)
            result[f"maxlen{length}_stride{stride}"] = numbers
        return {"ppl.json": result, "ppl_ids.safetensors": {"ids": ids.int()}}

    def edited(self, model, record: dict, mode: str, mask: torch.Tensor) -> "Edited":
        u, v = self.factors[record["case_id"]]
        return Edited(model, self.layer, u * (mode != "original"), v, mask if mode == "pruned" else None)


class Edited:
    """While it is entered, the model's projection is (W + u v^T) * mask."""

    def __init__(self, model, layer: int, u: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> None:
        self.weight = edited_module(model, layer).weight
        self.changed = self.weight.detach() + torch.outer(u, v)
        if mask is not None:
            self.changed *= mask

    def __enter__(self) -> None:
        self.before = self.weight.detach().clone()
        with torch.no_grad():
            self.weight.copy_(self.changed)

    def __exit__(self, *_) -> None:
        with torch.no_grad():
            self.weight.copy_(self.before)
