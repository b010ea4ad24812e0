"""The recipe of a training job, as both planning and training know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from transfergrid.planning.prefix import ALL, deepest, depth_of

CALIBRATE = "calibrate"
"""How norms are that take their statistics from the training images."""
MOST_EPOCHS = 1000
"""Passes over the training data after which a phase ends that only its patience would end."""


@dataclass(frozen=True)
class Augmentation:
    """Random changes of each training image; all zero means none.

    Attributes:
        crop_scale_min: Smallest area of the random crop as a share of the image, in (0, 1]; 1
            means no crop.
        flip_probability: Probability of a left-right mirror image, in [0, 1].
        rotate_degrees: Largest rotation either way, in degrees.
        translate: Largest shift either way, as a share of the image's side.
        scale: Largest relative change of size either way.
        brightness: Largest shift of brightness either way, as a share of the white level.
        contrast: Largest relative change of contrast either way.
        noise: Standard deviation of added Gaussian noise, as a share of the white level.
    """

    crop_scale_min: float = 1.0
    flip_probability: float = 0.0
    rotate_degrees: float = 0.0
    translate: float = 0.0
    scale: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class Tuning:
    """How a learning rate is chosen, the same way for every network and its initial weights.

    Each rate is tried in a separate training, which validates on patients held out from the
    training images; the validation split is not used.

    Attributes:
        learning_rates: The rates to try, rising.
        epochs: Passes over the remaining images in each phase, the same for each trial.
        holdout: Share of the training patients held out, in (0, 1).
        seed: Seed of the trials; every seed of the cell takes the rate that was found with it.
    """

    learning_rates: tuple[float, ...]
    epochs: float
    holdout: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Phase:
    """A part of a training: what learns in it, how fast, and when it ends.

    Attributes:
        train_layers: ``all``, ``head`` (classifier only) or ``last_<k>`` (classifier and the last k
            blocks); batch-norm statistics of frozen blocks stay as they are.
        learning_rate: Peak learning rate; None if the recipe's trials find it (`Recipe.tune`).
        epochs: Most passes over the training data, may be a fraction; None for `MOST_EPOCHS`.
        patience: Validations without a new best score after which the phase ends, or None to train
            all epochs.
        norms: ``train``; ``frozen``: batch norms, those of layers that learn included, use their
            running statistics, do not update them, and keep their scale and shift; ``calibrate``:
            batch norms use statistics of the training images, taken before the first step of the
            first phase that says so, and their scale and shift learn with their layers.
    """

    train_layers: str = "all"
    learning_rate: float | None = 1e-4
    epochs: float | None = 3
    patience: int | None = None
    norms: str = "train"

    @property
    def rate(self) -> float:
        """The peak learning rate, which must be known.

        Raises:
            ValueError: The trials that find it have not been read.
        """
        if self.learning_rate is None:
            raise ValueError("the learning rate of this phase is not known before its trials")
        return self.learning_rate

    @property
    def last_blocks(self) -> int | None:
        """How many blocks learn beside the classifier; None for all of them."""
        depth = depth_of(self.train_layers)
        return None if depth == ALL else int(depth)

    @property
    def most_epochs(self) -> float:
        """The passes over the training data after which the phase ends in any case."""
        return MOST_EPOCHS if self.epochs is None else self.epochs


@dataclass(frozen=True)
class Recipe:
    """How a cell is trained; every key is part of the cell's identity.

    Attributes:
        phases: The parts of the training, one after the other; at least one.
        optimizer: ``adam``, ``adamw`` or ``sgd``; each phase begins with a fresh one.
        weight_decay: Weight decay (decoupled for ``adamw``).
        momentum: Momentum of ``sgd``; unused otherwise.
        schedule: ``constant``, ``cosine`` or ``one_cycle``, over the steps of each phase.
        warmup_fraction: Share of a phase's steps over which the rate rises to its peak, in [0, 1).
        batch_size: Images per optimiser step.
        accumulate: Micro-batches that a batch is split into (batch statistics are per micro-batch).
        clip_grad_norm: Largest gradient norm, or None.
        train_share: Share of the training images used, in (0, 1]; subsets are nested.
        train_count: Number of training images used, or None; excludes `train_share` < 1.
        train_patients: Number of training patients used, with all of their images, or None; it
            excludes both of these. Smaller numbers are parts of larger ones.
        validate_every_examples: Training examples between validations, or None for each epoch.
        keep_checkpoints: How many of the best checkpoints by validation score are kept; the last
            one is always kept as well. The trials of `tune` keep none.
        precision: ``fp32``, or ``bf16`` for autocast on CUDA (the head and the loss stay float32).
        frozen_prefix: ``stored`` for phases that train on stored features of the layers that are
            frozen in them, ``computed`` for none that do, ``auto`` for those that can and whose
            features are not much larger than the pixels.
        deterministic: Ask for deterministic kernels.
        holdout: Share of the training patients that validation uses instead of the validation
            split, in [0, 1); the trials of `tune` have it.
        tune: How the learning rate is chosen of phases that give none, or None if all do.
        augmentation: Random changes of the training images.
        redraw_uncertain: Whether what stands in for uncertain training labels is drawn anew in each
            epoch, from the range of a data set that drew it once for each image.
        loss: The loss of masks, see `transfergrid.planning.mask_losses`; None for the usual one of
            the kind of task.
        dice: Perhaps ``form`` and ``over`` of a loss that has Dice in it.
    """

    phases: tuple[Phase, ...] = (Phase(),)
    optimizer: str = "adam"
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: str = "constant"
    warmup_fraction: float = 0.0
    batch_size: int = 16
    accumulate: int = 1
    clip_grad_norm: float | None = None
    train_share: float = 1.0
    train_count: int | None = None
    train_patients: int | None = None
    validate_every_examples: int | None = None
    keep_checkpoints: int = 10
    precision: str = "fp32"
    frozen_prefix: str = "auto"
    deterministic: bool = True
    holdout: float = 0.0
    tune: Tuning | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    redraw_uncertain: bool = False
    loss: str | None = None
    dice: Mapping[str, str] | None = None

    @property
    def frozen_phase(self) -> int | None:
        """Number of the phase that trains most layers, or None if one trains all of them.

        What is frozen in it never learns, so scoring reads its stored features alone.
        """
        return deepest(phase.train_layers for phase in self.phases)

    @property
    def calibrated_phase(self) -> int | None:
        """Number of the phase before which batch norms take statistics, or None."""
        asked = (number for number, phase in enumerate(self.phases) if phase.norms == CALIBRATE)
        return next(asked, None)

    @property
    def micro_batch(self) -> int:
        """Images that go through the network at once, if memory allows."""
        return -(-self.batch_size // self.accumulate)

    @property
    def learning_rate(self) -> float | None:
        """The rate that all phases share; None if they differ or it is not known yet."""
        rates = {phase.learning_rate for phase in self.phases}
        return rates.pop() if len(rates) == 1 else None

    @property
    def layers(self) -> str:
        """What learns, phase by phase: ``head+all``."""
        return "+".join(phase.train_layers for phase in self.phases)

    def open_ended_from(self, phase: int) -> bool:
        """Tell whether nothing but patience is planned to end a phase from this number on."""
        return any(phase.epochs is None for phase in self.phases[phase:])

    @property
    def epochs(self) -> float:
        """Most passes over the training data, all phases together."""
        return sum(phase.most_epochs for phase in self.phases)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from the plain mapping of a study or a spec; unknown keys are refused.

        A study may give the keys of a phase in place of ``phases``, for a recipe of one phase.
        Beside ``phases``, of these keys ``learning_rate`` and ``norms`` stand for the phases that
        do not give them, and the others are not used.
        """
        own = {f.name for f in fields(Phase)}
        unknown = set(values) - {f.name for f in fields(cls)} - own
        if unknown:
            raise ValueError(f"unknown recipe keys: {', '.join(sorted(unknown))}")
        plain = {key: value for key, value in values.items() if key not in own}
        plain["augmentation"] = Augmentation(**plain.get("augmentation", {}))
        given = {key: value for key, value in values.items() if key in own}
        if plain.get("tune") is not None:
            tune = dict(plain["tune"])
            plain["tune"] = Tuning(**{**tune, "learning_rates": tuple(tune["learning_rates"])})
            given["learning_rate"] = None
        if plain.get("phases") is None:
            plain["phases"] = (Phase(**given),)
        else:
            shared: dict[str, Any] = {"epochs": None, "patience": None}
            shared |= {key: given[key] for key in ("learning_rate", "norms") if key in given}
            plain["phases"] = tuple(Phase(**{**shared, **phase}) for phase in plain["phases"])
        return cls(**plain)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values; every key is present, but for a few.

        A recipe that asks for no `train_patients`, `redraw_uncertain`, `loss` or `dice` is written
        as it was before one could, which keeps the names of its cells.
        """
        values = asdict(self)
        if self.train_patients is None:
            del values["train_patients"]
        if not self.redraw_uncertain:
            del values["redraw_uncertain"]
        for key in ("loss", "dice"):
            if values[key] is None:
                del values[key]
        values["phases"] = list(values["phases"])
        if self.tune is not None:
            values["tune"]["learning_rates"] = list(self.tune.learning_rates)
        return values

    def with_rate(self, learning_rate: float) -> Recipe:
        """Return the recipe with a learning rate for the phases that have none."""
        return replace(
            self,
            phases=tuple(
                replace(phase, learning_rate=learning_rate)
                if phase.learning_rate is None
                else phase
                for phase in self.phases
            ),
        )

    def trial(self, learning_rate: float) -> Recipe:
        """Return the recipe of the training that tries one learning rate.

        Raises:
            ValueError: The recipe has no `tune`.
        """
        if self.tune is None:
            raise ValueError("a recipe without tune has no trials")
        known = self.with_rate(learning_rate)
        return replace(
            known,
            phases=tuple(
                replace(phase, epochs=self.tune.epochs, patience=None) for phase in known.phases
            ),
            holdout=self.tune.holdout,
            keep_checkpoints=0,
            tune=None,
        )
