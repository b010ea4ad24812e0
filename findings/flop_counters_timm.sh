#!/usr/bin/env bash
# Guess: thop and ptflops count the multiply-accumulates of any convolution, so that their number for a network of timm
#   is that of its convolutions and linear layers, give or take what norms and activations cost.
# Happens: they look a layer's class up in a table, which has Conv2d and no class made from it. Of BiT's ResNet-50
#   (StdConv2d) thop counts 2 of 4,089 million and ptflops 22; of nfnet_l0 (ScaledStdConv2d) 14 and 25 of 4,255; of
#   tf_efficientnet_lite0 both miss five convolutions (Conv2dSame) that efficientnet_lite0 has counted. Neither says
#   so unless asked (report_missing, verbose). ptflops' other backend, aten, is right; its page says that it is the
#   default, and its code says pytorch.
# Version: thop 0.1.1.post2209072238, ptflops 0.7.5, timm 1.0.31, torch 2.14.1, torchvision 0.29.1
# Source: thop/profile.py and ptflops/pytorch_engine.py, which look up type(module); README of ptflops; timm/layers
#   (std_conv.py, conv2d_same.py)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  "thop==0.1.1.post2209072238" "ptflops==0.7.5" "timm==1.0.31" "torch==2.14.1" "torchvision==0.29.1" \
  2>&1 | grep -v WARNING || true
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math
import sys
from importlib.metadata import version

import ptflops
import thop
import timm
import torch
from torch import nn

print(*(f"{name} {version(name)}" for name in ("thop", "ptflops", "timm", "torch")))


def by_hand(network, images):
    """Count what the weights of convolutions and linear layers say, with the sizes of their outputs."""
    counts = []

    def count(layer, _, output):
        counts.append(output.numel() * math.prod(layer.weight.shape[1:]))

    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    network(images)
    for hook in hooks:
        hook.remove()
    return sum(counts)


def of_ptflops(network, **backend):
    told = dict(as_strings=False, print_per_layer_stat=False, verbose=False)
    return ptflops.get_model_complexity_info(network, (3, 224, 224), **told, **backend)[0]


shares = {}
images = torch.zeros(1, 3, 224, 224)
for name in ("resnet18", "efficientnet_lite0", "tf_efficientnet_lite0", "resnetv2_50x1_bit", "nfnet_l0"):
    network = timm.create_model(name).eval()
    with torch.no_grad():
        all_of_it = by_hand(network, images)
        counts = {
            "thop": thop.profile(network, (images,), verbose=False)[0],
            "ptflops": of_ptflops(timm.create_model(name).eval()),
            "ptflops, aten": of_ptflops(timm.create_model(name).eval(), backend="aten"),
        }
    shares[name] = {counter: count / all_of_it for counter, count in counts.items()}
    print(f"{name}: {all_of_it / 1e6:.1f} million;", *(f"{key} {n / 1e6:.1f}" for key, n in counts.items()))
default = {name: (share["thop"], share["ptflops"]) for name, share in shares.items()}
same = all(abs(share["ptflops, aten"] - 1) < 0.01 for share in shares.values())
same &= all(0.99 < x < 1.03 for name in ("resnet18", "efficientnet_lite0") for x in default[name])
same &= all(x < 0.98 for x in default["tf_efficientnet_lite0"])
same &= all(x < 0.01 for name in ("resnetv2_50x1_bit", "nfnet_l0") for x in default[name])
print("behaves as described" if same else "has changed")
sys.exit(not same)
PYTHON
