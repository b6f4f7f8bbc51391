"""Networks by name.

Adding a model: one file here with a `Network`, one line in MODELS, one recipe in recipes/; the contract
tests in tests/models/ pick it up.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from hemline.errors import RecipeError, unknown_name
from hemline.models.cpm import CPM
from hemline.models.cpn import CPN
from hemline.models.deeppose import DeepPose
from hemline.models.hourglass import hourglass
from hemline.models.hrnet import HRNet
from hemline.models.joint_paf import JointPAF
from hemline.models.network import Network
from hemline.models.openpose import OpenPose
from hemline.models.pyranet import pyranet
from hemline.models.rtmpose import RTMPose
from hemline.models.shn import SHN
from hemline.models.simcc import SimCC
from hemline.models.simple import SimpleBaseline
from hemline.models.vitpose import ViTPose

MODELS: dict[str, Callable[..., Network]] = {
    "hourglass": hourglass,
    "pyranet": pyranet,
    "shn": SHN,
    "cpn": CPN,
    "cpm": CPM,
    "openpose": OpenPose,
    "deeppose": DeepPose,
    "joint_paf": JointPAF,
    "simple": SimpleBaseline,
    "hrnet": HRNet,
    "vitpose": ViTPose,
    "simcc": SimCC,
    "rtmpose": RTMPose,
}


def build_model(
    name: str,
    *,
    keypoints: int,
    limbs: int = 0,
    size: int = 256,
    backbone: str | None = None,
    backbone_weights: str = "random",
    **options: Any,
) -> Network:
    """Build a network by name.

    Args:
        name: a key of MODELS.
        keypoints: K, the number of keypoints that it predicts.
        limbs: number of limbs, for networks with part affinity fields.
        size: side of the square input, for networks with layers that depend on it.
        backbone, backbone_weights: see `build_backbone`; only for networks that take a backbone.
        options: further keyword arguments of the network.
    Raises:
        RecipeError: unknown name or option, or a backbone for a network that takes none.
        WeightsError: the backbone's weights do not fit.
    """
    if name not in MODELS:
        raise RecipeError(unknown_name("model", name, MODELS))
    parameters = inspect.signature(MODELS[name]).parameters.values()
    accepted = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    accepted += ["mean", "std"]  # of every network
    for option in options:
        if option not in accepted:
            raise RecipeError(f"model '{name}': {unknown_name('option', option, accepted)}")
    options |= {key: value for key, value in {"limbs": limbs, "size": size}.items() if key in accepted}
    if "backbone" in accepted:
        options |= {"backbone": backbone, "backbone_weights": backbone_weights}
    elif backbone is not None:
        raise RecipeError(f"model '{name}' has no exchangeable backbone; remove model.backbone")
    try:
        return MODELS[name](keypoints=keypoints, **options)
    except (RuntimeError, TypeError, ValueError) as error:
        raise RecipeError(f"model '{name}' cannot be built with {options}: {error}") from error
