"""The content of a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args

from cisreg.choices import Precision, check_choice
from cisreg.losses import Noise, Penalty
from cisreg.pairs import named_pairs
from cisreg.spec import NUCLEOSOME_WIDTH, Link, ModelSpec
from cisreg.training.stages import Stage

SIZES = ("motif_count", "motif_width", "sequence_length", "output_count")
LAYER_OPTIONS = tuple(each.name for each in fields(ModelSpec) if each.name not in SIZES)
# Constant ends are those of the sequences, which all members of an ensemble share.
VARIANT_OPTIONS = tuple(name for name in LAYER_OPTIONS if not name.startswith("constant_"))
_ALL_LAYERS = ModelSpec(
    *(1, 1, 1),
    accessibility_activity=True,
    binding_limit=True,
    positional=True,
    positional_potentiation=True,
    stranded=True,
    pairs=((0, 0),),
)
# The parameters of models with all layers and any link; a stage may name only these.
_ANY_MODEL = (
    *(replace(_ALL_LAYERS, link=link) for link in get_args(Link)),
    ModelSpec(1, 1, NUCLEOSOME_WIDTH, competition=True, nucleosome=True),
)
PARAMETER_NAMES = tuple(
    dict.fromkeys(name for each in _ANY_MODEL for name in each.parameter_shapes)
)


@dataclass(frozen=True)
class Recipe:
    """Layers, motif columns, validation, penalties and stages of a training run.

    Attributes:
        stages: run one after the other. A stage may name parameters of layers that the model does
            not have, so that a recipe works with and without these layers.
        model: options of `cisreg.model.ModelSpec` except its sizes; options that are not given have
            the defaults there. `constant_left` and `constant_right` may also be the bases, as text;
            if they are not given, `cisreg.train` finds them in the sequences. `pairs` are pairs of
            names of motifs.
        motif_width: W, number of columns of each motif's matrix.
        motif_flank: train a motif's own columns and this many on each side, and hold the rest at
            zero; None: all W columns train.
        validation: share of the table that is held out; 0: nothing.
        penalty: weights of the penalties.
        loss: a noise model (`cisreg.losses`); None: the squared error.
        precision: see `cisreg.training.fit`.
        standardize: see `cisreg.training.fit`; False in recipes of CisRegModels, whose learning
            rates and penalties are in the unit of the measurements.
        outputs: names of the outputs, which are the columns of their measurements; (): one output.
            What differs between them is the option `differ` of the model, which is [] where
            nothing does.
        variants: options of the model that members of an ensemble take turns in, see `member`; they
            replace those of `model`. A single model is trained without them.

    Raises:
        ValueError: models do not have an option, or a value is out of its range.

    Example:
        >>> Recipe((Stage(("activity", "bias"), epochs=5),), model={"stranded": True})
    """

    stages: tuple[Stage, ...]
    model: Mapping[str, Any] = field(default_factory=dict)
    motif_width: int = 30
    motif_flank: int | None = None
    validation: float = 0.1
    penalty: Penalty = field(default_factory=Penalty)
    loss: Noise | None = None
    precision: Precision = "float32"
    standardize: bool = True
    outputs: tuple[str, ...] = ()
    variants: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        check_keys("model", self.model, LAYER_OPTIONS)
        for number, variant in enumerate(self.variants, start=1):
            check_keys(f"variant {number}", variant, VARIANT_OPTIONS)
        self._check_ends()
        for layers in (self.model, *self.variants):
            _check_pairs(layers.get("pairs", ()))
        self._check_outputs()
        if self.motif_width < 1:
            raise ValueError(f"motif_width: expected 1 or more columns, got {self.motif_width}")
        if self.motif_flank is not None and self.motif_flank < 0:
            raise ValueError(f"motif_flank: expected 0 or more columns, got {self.motif_flank}")
        if not 0 <= self.validation < 1:
            raise ValueError(
                f"validation: expected a share of at least 0 and below 1, got {self.validation}"
            )
        check_choice("precision", self.precision, Precision)
        if not self.stages:
            raise ValueError("stages: expected at least one stage, got none")
        for number, stage in enumerate(self.stages, start=1):
            foreign = sorted(set(stage.trainable) - set(PARAMETER_NAMES))
            if foreign:
                raise ValueError(
                    f"stage {number}: expected parameters among {', '.join(PARAMETER_NAMES)}, "
                    f"got {', '.join(foreign)}"
                )

    def _check_ends(self) -> None:
        for name in ("constant_left", "constant_right"):
            value = self.model.get(name, 0)
            is_text = isinstance(value, str) and set(value.upper()) <= set("ACGT") and value
            if isinstance(value, bool) or not (isinstance(value, int) or is_text):
                raise ValueError(
                    f"{name}: expected a number of bases, or the bases as letters A C G T, got "
                    f"{value!r}"
                )

    def _check_outputs(self) -> None:
        object.__setattr__(self, "outputs", tuple(self.outputs))
        if len(self.outputs) == 1 or len(set(self.outputs)) < len(self.outputs):
            raise ValueError(
                "outputs: expected two or more different names of columns, got "
                f"{', '.join(map(repr, self.outputs))}"
            )
        tables = (self.model, *self.variants)
        says = [bool(each.get("differ")) for each in tables if "differ" in each]
        if self.outputs and not says:
            raise ValueError(
                "differ: expected what differs between the outputs, such as "
                '["log_concentration", "bias"] in [model] (--differ NAME), or [] for nothing '
                "(--differ nothing), got no such key"
            )
        if not self.outputs and any(says):
            raise ValueError(
                "outputs: expected the columns of two or more outputs beside differ (outputs = "
                "[...] in a recipe, --outputs COLUMN), got none"
            )

    def override(
        self,
        *,
        model: Mapping[str, Any] | None = None,
        penalty: Mapping[str, float] | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        **others: Any,
    ) -> Recipe:
        """A copy of the recipe with some values replaced, in all variants too.

        Args:
            model: options to replace; position_knots 0 means None, and without position weights it
                is always None. Without pairs there is no pair_distance and pair_knots.
            penalty: weights to replace.
            epochs: maximum number of epochs of each stage; None: unchanged.
            patience: of the last stage, see `cisreg.training.Stage`; None: unchanged.
            **others: fields of the recipe to replace; fields that are None stay unchanged.

        Raises:
            ValueError: under the same conditions as for a new Recipe.

        Example:
            >>> read_recipe("quick").override(model={"stranded": True}, epochs=2)
        """
        layers = {**self.model, **(model or {})}
        has_weights = layers.get("positional") or layers.get("positional_potentiation")
        if not layers.get("position_knots") or not has_weights:
            layers.pop("position_knots", None)
        if not layers.get("pairs") and "pairs" in (model or {}):
            for name in ("pairs", "pair_distance", "pair_knots"):
                layers.pop(name, None)
        stages = self.stages
        if epochs is not None:
            stages = tuple(replace(each, epochs=min(each.epochs, epochs)) for each in stages)
        if patience is not None:
            stages = (*stages[:-1], replace(stages[-1], patience=patience))
        variants = tuple(
            {name: value for name, value in each.items() if name not in (model or {})}
            for each in self.variants
        )
        given = {name: value for name, value in others.items() if value is not None}
        return replace(
            self,
            model=layers,
            penalty=replace(self.penalty, **(penalty or {})),
            stages=stages,
            variants=variants,
            **given,
        )

    def member(self, number: int) -> Recipe:
        """The recipe of one member of an ensemble, without variants.

        Args:
            number: of the member, from 0; members take turns in the variants.

        Example:
            >>> turns = ({"stranded": True}, {"stranded": False})
            >>> recipe = dataclasses.replace(read_recipe("default"), variants=turns)
            >>> [recipe.member(number).model["stranded"] for number in range(3)]
            [True, False, True]
        """
        alone = replace(self, variants=())
        if not self.variants:
            return alone
        return alone.override(model=self.variants[number % len(self.variants)])

    def spec(
        self, motif_count: int, sequence_length: int, motif_names: Sequence[str] = ()
    ) -> ModelSpec:
        """The model for this number of motifs and this length of sequences.

        Args:
            motif_count: M.
            sequence_length: L.
            motif_names: M names, which recipes with pairs of factors need.

        Raises:
            ValueError: the layers cannot be combined, or a pair has another name.
        """
        ends = ("constant_left", "constant_right")
        texts = {
            name: len(self.model[name]) for name in ends if isinstance(self.model.get(name), str)
        }
        named = self.model.get("pairs")
        pairs = {"pairs": named_pairs(named, motif_names)} if named else {}
        return ModelSpec(
            motif_count=motif_count,
            motif_width=self.motif_width,
            sequence_length=sequence_length,
            output_count=len(self.outputs) or 1,
            **{**self.model, **texts, **pairs},
        )

    def stages_for(self, spec: ModelSpec, *, early_stopping: bool = True) -> tuple[Stage, ...]:
        """The stages without parameters that `spec` does not have; empty stages are left out.

        Args:
            spec: the model.
            early_stopping: False: remove the patience, for training without a validation set.

        Raises:
            ValueError: no stage trains any parameter of this model.
        """
        kept = [
            (stage, tuple(name for name in stage.trainable if name in spec.parameter_shapes))
            for stage in self.stages
        ]
        stages = tuple(replace(stage, trainable=names) for stage, names in kept if names)
        if not stages:
            raise ValueError(
                "stages: expected at least one that trains parameters of this model "
                f"({', '.join(spec.parameter_shapes)}), got none"
            )
        if not early_stopping:
            stages = tuple(replace(stage, patience=None) for stage in stages)
        return stages


def _check_pairs(pairs: Any) -> None:
    sound = isinstance(pairs, list | tuple) and all(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(isinstance(name, str) for name in pair)
        for pair in pairs
    )
    if not sound:
        raise ValueError(
            'pairs: expected a list of pairs of names of motifs, such as [["REB1", "ABF1"]], got '
            f"{pairs!r}"
        )


def check_keys(place: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raises ValueError, with `place`, if `table` has keys that are not `known`."""
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ValueError(f"{place}: expected {', '.join(known)}, got {', '.join(unknown)}")
