"""Which parameters learn at which rate."""

from __future__ import annotations

import pytest
import torch

from hemline.learn.optimizers import build_optimizer
from hemline.models import build_model

OPTIONS = {"lr": 0.1, "backbone_lr": 0.5, "weight_decay": 0.01, "momentum": 0.9}


@pytest.fixture(scope="module")
def network():
    return build_model("cpn", keypoints=4, backbone="test_resnet", channels=32)


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_every_parameter_is_in_the_group_of_its_kind(network, name, kind):
    optimizer = build_optimizer(name, network, **OPTIONS)
    assert type(optimizer) is kind
    of_backbone = {id(parameter) for parameter in network.backbone_parameters()}
    found = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            found.append(id(parameter))
            assert group["backbone"] == (id(parameter) in of_backbone)
            assert group["lr"] == (0.05 if group["backbone"] else 0.1)
            assert group["weight_decay"] == (0.01 if parameter.ndim > 1 else 0.0)
    assert sorted(found) == sorted(id(parameter) for parameter in network.parameters())


def test_sgd_has_nesterovs_momentum():
    network = torch.nn.Linear(1, 1, bias=False)
    network.backbone_parameters = list  # type: ignore[assignment]
    with torch.no_grad():
        network.weight.zero_()
    optimizer = build_optimizer("sgd", network, **(OPTIONS | {"weight_decay": 0.0}))
    for _ in range(2):
        network.weight.grad = torch.ones(1, 1)
        optimizer.step()
    # Velocities 1 and 1.9; each step goes on by gradient + 0.9 * velocity: 1.9, then 2.71.
    assert network.weight.item() == pytest.approx(-0.1 * (1.9 + 2.71))
