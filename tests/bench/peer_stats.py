"""Second moments as the peers' layer_stats takes them: a pass for each layer, stopped at the layer, xᵀx added up in float32."""

import time
from pathlib import Path

import torch
from peer_common import Check, distance, edited_module, load_model, read_tensors


class Stop(Exception):
    """Ends a forward pass once the wanted input is there."""


def layer_inputs(model, layers: list[int], ids: torch.Tensor) -> list[torch.Tensor]:
    """The inputs of the layers' second projections, as rows; the pass stops at the last of them."""
    inputs = {}

    def keep(layer: int):
        def hook(_, arguments):
            inputs[layer] = arguments[0].reshape(-1, arguments[0].shape[-1])
            if layer == layers[-1]:
                raise Stop

        return hook

    handles = [edited_module(model, layer).register_forward_pre_hook(keep(layer)) for layer in layers]
    try:
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    except Stop:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return [inputs[layer] for layer in layers]


@torch.no_grad()
def second_moments(model, layers: list[int], ids: torch.Tensor, batch: int) -> list[torch.Tensor]:
    sums = [torch.zeros(()) for _ in layers]
    for rows in ids.split(batch):
        for index, x in enumerate(layer_inputs(model, layers, rows)):
            sums[index] = sums[index] + x.t().mm(x)
    return [total / ids.numel() for total in sums]


def run(options) -> tuple[dict, Check | None]:
    golden = read_tensors(Path(options.records))
    ids = golden["token_ids"].long()
    model = load_model(options.model)
    layers = list(range(options.layers))
    with torch.no_grad():
        layer_inputs(model, layers, ids[: options.batch])  # warms up
    start = time.perf_counter()
    if options.mended:
        moments = second_moments(model, layers, ids, options.batch)
    else:
        moments = [second_moments(model, [layer], ids, options.batch)[0] for layer in layers]
    seconds = time.perf_counter() - start
    check = None
    if options.check:
        check = Check()
        for layer, moment in zip(layers, moments):
            if f"moment.{layer}" in golden:
                check.note("moment", distance(moment, golden[f"moment.{layer}"]))
    return {"seconds": seconds, "n": ids.numel() * len(layers)}, check
