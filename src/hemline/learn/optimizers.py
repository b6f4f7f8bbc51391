"""Optimizers, and which parameters learn at which rate."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from hemline.models.network import Network


def build_optimizer(
    name: str, network: Network, *, lr: float, backbone_lr: float, weight_decay: float, momentum: float
) -> Optimizer:
    """Build an optimizer.

    Args:
        name: "adamw", or "sgd" with Nesterov's momentum.
        network: whose parameters learn.
        lr: peak learning rate.
        backbone_lr: factor on it for the backbone.
        weight_decay: of weights; biases and norms do not decay.
        momentum: of "sgd".
    """
    groups = parameter_groups(network, lr=lr, backbone_lr=backbone_lr, weight_decay=weight_decay)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
    return torch.optim.AdamW(groups, lr=lr)


def parameter_groups(network: Network, *, lr: float, backbone_lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Split the parameters: the backbone learns at a rate of its own, biases and norms do not decay.

    Returns:
        what torch's optimizers take, each with "backbone", whether it is the backbone's.
    """
    backbone = {id(parameter) for parameter in network.backbone_parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        groups.setdefault((id(parameter) in backbone, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": lr * (backbone_lr if is_backbone else 1.0),
            "weight_decay": weight_decay if decays else 0.0,
            "backbone": is_backbone,
        }
        for (is_backbone, decays), parameters in sorted(groups.items(), key=lambda group: group[0], reverse=True)
    ]
