"""A recipe: one complete TOML file that says how one model is trained.

Every key that exists is a field below, with its default; unknown keys are errors with the nearest
name. There is no inheritance between recipes. A `Recipe` trains a keypoint network; a `DetectorRecipe`, which says
task = "detection", a garment detector.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, ValidationInfo, field_validator

from hemline.errors import RecipeError, unknown_name
from hemline.files import write_atomic
from hemline.garments import CATEGORIES, CATEGORY_KEYPOINTS, KEYPOINTS
from hemline.toml_file import Key, Section, apply_override, parse_section, read_toml

Range = tuple[float, float]
Color = tuple[float, float, float]
Share = Annotated[float, Field(gt=0, lt=1)]
Spread = tuple[PositiveFloat, PositiveFloat, PositiveFloat]
SideError = Annotated[float, Field(ge=0, le=0.2)]


def _complete_view(view: Any) -> Any:
    if isinstance(view, int | float):
        return 0.5, 0.5, view
    return tuple(view) if isinstance(view, list) else view


Place = Annotated[float, Field(ge=0, le=1)]
Zoom = Annotated[float, Field(gt=0, le=64)]
View = Annotated[tuple[Place, Place, Zoom], BeforeValidator(_complete_view)]
"""The place of a view's centre as shares of the photo, and its zoom; a zoom alone is about the photo's centre."""


class DataSection(Section):
    """[data]: what training sees besides the data that it is given."""

    synthetic: float = Field(0.0, ge=0, le=1, description="share of the photos that are drawn, anew each time")


class ModelSection(Section):
    """[model]: which network."""

    name: str = Field("cpn", description="architecture, see `hemline models`")
    backbone: str | None = Field(None, description="timm name of the backbone, for architectures that take one")
    backbone_weights: str = Field("random", description="'random', 'timm' (downloads), or a .safetensors path")
    weights: str = Field("", description="a run folder or weights file whose whole network to start from; '' for none")
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the architecture")


class InputSection(Section):
    """[input]: what the network sees."""

    size: int = Field(256, ge=32, description="side of the square crop, pixels")
    mean: Color = Field((0.485, 0.456, 0.406), description="of the RGB channels, on a scale of 0 to 1")
    std: Spread = Field((0.229, 0.224, 0.225), description="of the RGB channels, on a scale of 0 to 1")


class CodecSection(Section):
    """[codec]: how points become targets and outputs become points."""

    name: str = Field("belief", description="what the targets are, see docs/decoding.md")
    options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the codec")


class DecodeSection(Section):
    """[decode]: how a map becomes a point; for codecs whose output is maps."""

    method: str = Field("vertex", description="see docs/decoding.md")
    blur: float = Field(0.0, ge=0, description="standard deviation of a Gaussian that smooths the maps first, cells")
    upsample: int = Field(1, ge=1, description="factor of a bicubic enlargement of the maps first")
    cells: int = Field(11, ge=1, description="of method 'top_mean': how many of the highest cells are averaged")
    window: int = Field(7, ge=1, description="of method 'soft_argmax': side of the window about the peak, cells; odd")


class LossTerm(Section):
    """One entry of loss.terms."""

    name: str = Field(description="of a loss, see docs/losses.md")
    weight: float = Field(1.0, gt=0, description="factor of its values")
    distance_weight: bool = Field(
        False, description="multiply each garment's values by 120 px over twice its width, so that they count as in NE"
    )


class LossSection(Section):
    """[loss]: what is minimised: the weighted sum of the terms, averaged over the network's stages."""

    terms: tuple[LossTerm, ...] = Field((LossTerm(name="softmax_cross_entropy"),), description="what is added up")
    ohkm: float = Field(
        0.0,
        ge=0,
        description="keep this many (from 1) or this share (below 1) of each garment's hardest keypoints on the last "
        "stage; 0 keeps all",
    )
    ohkm_of: dict[str, NonNegativeFloat] = Field(default_factory=dict, description="ohkm of single categories instead")
    ohkm_batch: float = Field(
        0.0, ge=0, description="keep this many times the batch size of the batch's hardest keypoints; 0 keeps all"
    )
    ohem: float = Field(1.0, gt=0, le=1, description="share of the batch's hardest garments that count")
    occluded_weight: float = Field(1.0, ge=0, description="weight of occluded points; visible ones count 1")
    stage_weights: tuple[float, ...] = Field((), description="of each stage, the final one last; empty: all 1")

    @field_validator("ohkm_of")
    @classmethod
    def _of_categories(cls, value: dict[str, float]) -> dict[str, float]:
        for category in value:
            if category not in CATEGORY_KEYPOINTS:
                raise ValueError(unknown_name("category", category, CATEGORIES))
        return value

    @field_validator("stage_weights")
    @classmethod
    def _weights(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(weight < 0 for weight in value) or (value and not any(value)):
            raise ValueError(f"needs weights from 0 on, and one above it, got {list(value)}")
        return value

    @field_validator("terms")
    @classmethod
    def _some(cls, value: tuple[LossTerm, ...]) -> tuple[LossTerm, ...]:
        if not value:
            raise ValueError("needs at least one term, got []")
        return value

    @property
    def pairs(self) -> tuple[tuple[str, float], ...]:
        """Names and weights of the terms."""
        return tuple((term.name, term.weight) for term in self.terms)

    @property
    def distance_weighted(self) -> frozenset[str]:
        """Names of the terms that count as in NE."""
        return frozenset(term.name for term in self.terms if term.distance_weight)


class AugmentSection(Section):
    """[augment]: random changes of each training crop."""

    flip: float = Field(0.5, ge=0, le=1, description="probability")
    rotation: float = Field(30.0, ge=0, description="largest angle, degrees")
    scale: Range = Field((0.75, 1.25), description="zoom, log-uniform")
    shift: float = Field(0.08, ge=0, description="largest move, share of the crop")
    brightness: float = Field(0.3, ge=0, lt=1, description="factor from 1 - value to 1 + value")
    contrast: float = Field(0.3, ge=0, lt=1, description="as brightness")
    saturation: float = Field(0.3, ge=0, lt=1, description="as brightness")
    hue: float = Field(0.05, ge=0, le=0.5, description="largest turn, share of the colour circle")
    gray: float = Field(0.05, ge=0, le=1, description="probability of no colour at all")
    erase: float = Field(
        0.0, ge=0, le=1, description="probability of a random rectangle painted over; points under it are occluded"
    )
    aspect: float = Field(1.0, ge=1, description="largest stretch of width against height, either way; log-uniform")
    crop: float = Field(0.0, ge=0, le=1, description="probability of a random box that keeps all points, with a margin")
    crop_margin: float = Field(
        0.05, ge=0, description="of `crop` and `half`: least room about the points, share of the photo's longer side"
    )
    half: float = Field(0.0, ge=0, le=1, description="probability of a box about one half of the garment")
    blur: float = Field(0.0, ge=0, le=1, description="probability of a Gaussian blur")
    noise: float = Field(0.0, ge=0, le=1, description="probability of Gaussian noise")
    paste: float = Field(
        0.0, ge=0, le=1, description="probability of a piece of another photo pasted over; points under it as of erase"
    )
    box: float = Field(0.0, ge=0, le=1, description="probability of a crop about the garment as a detector gives it")
    box_margin: float = Field(
        0.1, ge=0, description="of `box`: room about the points, share of their box's longer side"
    )
    box_errors: tuple[SideError, SideError, SideError, SideError] = Field(
        (0.03, 0.03, 0.03, 0.03),
        description="of `box`: the detector's standard errors left, top, right and bottom, shares of the box's width "
        "or height; `hemline evaluate-boxes` measures them",
    )

    @field_validator("scale")
    @classmethod
    def _ordered(cls, value: Range) -> Range:
        if not 0 < value[0] <= value[1]:
            raise ValueError(f"needs 0 < smallest <= largest, got {list(value)}")
        return value


class SamplingSection(Section):
    """[sampling]: how often each garment is seen; an epoch always has as many photos as the data."""

    balance: bool = Field(False, description="see all categories equally often")
    repeat: dict[str, PositiveFloat] = Field(
        default_factory=dict, description="how many times as often garments with a keypoint are seen, by its name"
    )
    hard: float = Field(0.0, ge=0, lt=1, description="share of the garments with the highest running loss")
    hard_repeat: float = Field(2.0, gt=0, description="how many times as often these are seen")

    @field_validator("repeat")
    @classmethod
    def _known(cls, value: dict[str, float]) -> dict[str, float]:
        for keypoint in value:
            if keypoint not in KEYPOINTS:
                raise ValueError(unknown_name("keypoint", keypoint, KEYPOINTS))
        return value


class TrainSection(Section):
    """[train]: the loop."""

    epochs: int = Field(100, ge=1, description="how many times as many photos are seen as there are")
    batch_size: int = Field(16, ge=1, description="photos per step and device")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="what takes the steps")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd, Nesterov's")
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    backbone_lr: float = Field(1.0, ge=0, description="factor on lr for the backbone")
    freeze_backbone: float = Field(
        0.0, ge=0, lt=1, description="share of the epochs, rounded up, in which the backbone stays fixed"
    )
    freeze_backbone_norm: bool = Field(False, description="keep the backbone's batch norm at its pretrained statistics")
    weight_decay: float = Field(0.01, ge=0, description="of weights; biases and norms do not decay")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of all steps with a rising rate; then the schedule")
    schedule: Literal["constant", "cosine", "step", "plateau", "onecycle", "sawtooth"] = Field(
        "cosine", description="of the learning rate"
    )
    milestones: tuple[Share, ...] = Field((0.6, 0.85), description="of 'step': shares of all steps at which it falls")
    cycles: int = Field(4, ge=1, description="of 'sawtooth': how many teeth")
    gamma: float = Field(0.1, gt=0, lt=1, description="of 'step' and 'plateau': what each fall leaves of the rate")
    patience: int = Field(5, ge=1, description="of 'plateau': validations without a better score before the rate falls")
    early_stop: int = Field(0, ge=0, description="validations without a better score before training ends; 0: never")
    clip: float = Field(1.0, ge=0, description="largest gradient norm; 0 does not clip")
    ema: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights; 0 does not average")
    swa: float = Field(0.0, ge=0, lt=1, description="share of all steps, at the end, of which weights count equally")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field("32-true", description="of numbers in training")
    seed: int = Field(0, ge=0, lt=2**63, description="of all random choices")
    validate_every: int = Field(1, ge=1, description="epochs between validations; the last epoch always is")
    checkpoint_steps: int = Field(0, ge=0, description="steps between checkpoints inside an epoch; 0: epochs only")
    workers: int = Field(1, ge=0, description="loader processes")
    accelerator: str = Field("auto", description="Lightning Fabric's accelerator")
    devices: int | str = Field("auto", description="Lightning Fabric's devices")
    strategy: Literal["auto", "ddp"] = Field("auto", description="Lightning Fabric's strategy")
    num_nodes: int = Field(1, ge=1, description="machines")


class PredictSection(Section):
    """[predict]: how the trained network is asked."""

    flip: bool = Field(True, description="average with the mirrored crop")
    views: tuple[View, ...] = Field(
        ((0.5, 0.5, 1.0),), min_length=1, description="[x, y, zoom], x and y as shares of the photo, or a zoom alone"
    )
    rotations: tuple[float, ...] = Field((0.0,), min_length=1, description="of each view, degrees")
    merge: Literal["maps", "coordinates"] = Field("maps", description="what is averaged over views")
    combine: Literal["mean", "max"] = Field(
        "mean", description="how several views become one; max: of points the surest"
    )
    second_pass: bool = Field(False, description="look again, at the box of the first pass's points")
    margin: float = Field(
        0.25, ge=0, description="of a second pass or a detected garment: room about the points, share"
    )
    repair: float = Field(0.0, ge=0, lt=1, description="replace points with a lower score by the mean shape's")
    batch_size: int = Field(16, ge=1, description="most photos at a time")


class ScenesSection(Section):
    """[scenes]: photos put together from several garments, in the place of photos of one."""

    share: float = Field(0.0, ge=0, le=1, description="of the training photos that are scenes")
    garments: tuple[int, int] = Field((1, 4), description="fewest and most garments in a scene")
    empty: float = Field(0.1, ge=0, le=1, description="share of the scenes that show no garment")
    synthetic: float = Field(0.3, ge=0, le=1, description="share of a scene's garments that are drawn")

    @field_validator("garments")
    @classmethod
    def _ordered(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= value[0] <= value[1]:
            raise ValueError(f"needs 1 <= fewest <= most, got {list(value)}")
        return value


class DetectSection(Section):
    """[detect]: what a garment's box is, and how the trained detector is asked."""

    margin: float = Field(
        0.05, ge=0, description="room about the points in a true box, share of their box's longer side"
    )
    score: float = Field(0.5, ge=0, lt=1, description="lowest score of a garment that is answered; 0.05 at least")
    overlap: float = Field(
        0.7, gt=0, le=1, description="largest overlap (intersection over union) of two answers, of any category"
    )
    most: int = Field(20, ge=1, description="most garments per photo")
    batch_size: int = Field(8, ge=1, description="most photos at a time")


class TrainingRecipe(Section):
    """What every recipe has."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    categories: tuple[str, ...] = CATEGORIES
    model: ModelSection = ModelSection()
    input: InputSection = InputSection()
    augment: AugmentSection = AugmentSection()
    sampling: SamplingSection = SamplingSection()
    train: TrainSection = TrainSection()

    @field_validator("categories")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for category in value:
            if category not in CATEGORY_KEYPOINTS:
                raise ValueError(unknown_name("category", category, CATEGORIES))
        if not value or len(set(value)) != len(value):
            raise ValueError(f"needs at least one category, each once, got {list(value)}")
        return value

    @field_validator("train")
    @classmethod
    def _pretrained(cls, value: TrainSection, info: ValidationInfo) -> TrainSection:
        model = info.data.get("model")  # absent where it has errors of its own
        if value.freeze_backbone_norm and model and model.backbone_weights == "random" and not model.weights:
            raise ValueError(
                "freeze_backbone_norm = true keeps the backbone's pretrained statistics, and "
                "model.backbone_weights = 'random' has none; change one of them"
            )
        return value


class Recipe(TrainingRecipe):
    """One complete recipe of a keypoint network."""

    task: Literal["keypoints"] = "keypoints"
    data: DataSection = DataSection()
    codec: CodecSection = CodecSection()
    decode: DecodeSection = DecodeSection()
    loss: LossSection = LossSection()
    predict: PredictSection = PredictSection()


class DetectorSection(ModelSection):
    """[model] of a detector."""

    name: str = Field("fcos", description="detector, see `hemline models`")
    backbone_weights: str = Field("random", description="'random', 'torchvision', 'timm' or a .safetensors path")


class DetectorRecipe(TrainingRecipe):
    """One complete recipe of a garment detector."""

    task: Literal["detection"]
    model: DetectorSection = DetectorSection()
    scenes: ScenesSection = ScenesSection()
    detect: DetectSection = DetectSection()


TASKS: dict[str, type[Recipe] | type[DetectorRecipe]] = {"keypoints": Recipe, "detection": DetectorRecipe}


def shipped_recipes(*, task: str | None = None) -> dict[str, Path]:
    """List the recipes that come with hemline, by name; those of one task, or all."""
    installed = Path(__file__).parent / "recipes"
    folder = installed if installed.is_dir() else Path(__file__).parents[2] / "recipes"  # in a checkout
    found = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    if task is None:
        return found
    return {name: path for name, path in found.items() if read_toml(path).get("task", "keypoints") == task}


def recipe_path(recipe: str) -> Path:
    """Find a recipe by the path of its file or by the name of a shipped one.

    Raises:
        RecipeError: neither; says which name was probably meant.
    """
    if Path(recipe).is_file():
        return Path(recipe)
    shipped = shipped_recipes()
    if recipe in shipped:
        return shipped[recipe]
    if Path(recipe).stem in shipped:
        raise RecipeError(
            f"{recipe}: no such file; the shipped recipe is named '{Path(recipe).stem}': leave out the folder and .toml"
        )
    raise RecipeError(f"{recipe}: no such file, and {unknown_name('recipe', Path(recipe).stem, shipped)}")


def read_recipe(path: Path, *, overrides: Iterable[str] = ()) -> Recipe:
    """Read the recipe of a keypoint network and apply `key=value` overrides.

    Args:
        path: the TOML file.
        overrides: e.g. "train.epochs=5"; values are written as in TOML, anything else is a string.
    Raises:
        RecipeError: missing file, broken TOML, unknown key or a value out of range; names the key, and the
            override where it is to blame. Or it is the recipe of a detector.
    """
    recipe = read_any_recipe(path, overrides=overrides)
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{path}: the recipe of a garment detector, which can be trained, but has no keypoints")
    return recipe


def read_any_recipe(path: Path, *, overrides: Iterable[str] = ()) -> Recipe | DetectorRecipe:
    """Read a recipe file of any task; otherwise as `read_recipe`."""
    content = read_toml(path)
    overridden = {}
    for override in overrides:
        overridden[apply_override(content, override)] = override
    task = content.get("task", "keypoints")
    if not isinstance(task, str) or task not in TASKS:
        raise RecipeError(f"{overridden.get(('task',), path)}: {unknown_name('task', str(task), TASKS)}")
    return parse_section(TASKS[task], content, source=str(path), overridden=overridden)


def parse_recipe(
    content: dict[str, Any], *, source: str = "recipe", overridden: dict[Key, str] | None = None
) -> Recipe:
    """Validate the content of a keypoint network's recipe, as `toml_file.parse_section` does."""
    return parse_section(Recipe, content, source=source, overridden=overridden)


def parse_changes(
    overrides: Iterable[str], *, sections: Sequence[str], task: str = "keypoints"
) -> dict[str, dict[str, Any]]:
    """Read `key=value` overrides of some sections alone, for a network that is trained already.

    Args:
        overrides: as for `read_recipe`.
        sections: those that may change.
        task: of the network, a key of TASKS.
    Returns:
        for each of these sections the keys that were set, and their values.
    Raises:
        RecipeError: another section, an unknown key or a value out of range.
    """
    content: dict[str, Any] = {"name": "changes", "task": task}
    overridden = {}
    for override in overrides:
        key = apply_override(content, override)
        if key[0] in TASKS[task].model_fields and key[0] not in sections:
            may = " and ".join(f"{section}.*" for section in sections)
            raise RecipeError(f"--set {override}: only {may} can change after training")
        overridden[key] = override
    changed = parse_section(TASKS[task], content, source="changes", overridden=overridden)
    return {section: getattr(changed, section).model_dump(exclude_unset=True) for section in sections}


def write_recipe(recipe: TrainingRecipe, path: Path) -> None:
    """Write a recipe with every default filled in, ready to be trained from again."""
    write_atomic(path, tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)))
