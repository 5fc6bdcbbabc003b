"""Draws the figures of a report: each has a caption, and text for those who do not see it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cisreg.display import counted, printable
from cisreg.pairs import pair_names
from cisreg.report.differences import draw_differences
from cisreg.report.effects import mean_site_effect, plot_effects, plot_pairs, plot_positions
from cisreg.report.factors import plot_factors, plot_sequence
from cisreg.report.history import plot_training
from cisreg.report.labels import fixed, with_unit
from cisreg.report.mutations import plot_mutations
from cisreg.report.page.content import Comparison, Examples, Predicted, RunContent
from cisreg.report.page.svg import inline_svg
from cisreg.report.pair_curves import plot_pair_curves
from cisreg.report.plot import plot_evaluation
from cisreg.report.residuals import plot_residuals
from cisreg.trained_model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_POSITION_PANELS = 6
# Residuals are drawn for the judged part along so many quantities at most.
_MOST_RESIDUALS = 8


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes:
        svg: the element.
        caption: one or two sentences below it.
        wide: whether it scrolls in a frame of its own where the page is narrow.
    """

    svg: str
    caption: str
    wide: bool = False


class Pictures:
    """Draws figures with identifiers of their own.

    Args:
        prefix: begins all identifiers, such as that of one of two runs.
    """

    def __init__(self, prefix: str = "p") -> None:
        self._prefix, self._count = prefix, 0

    def draw(self, figure: Figure, label: str, caption: str = "", *, wide: bool = False) -> Picture:
        """The figure as a part of the page."""
        self._count += 1
        key = f"{self._prefix}{self._count}"
        return Picture(inline_svg(figure, key, printable(label)), printable(caption), wide)

    def training(self, content: RunContent) -> list[Picture]:
        """Loss and r by epoch."""
        history = content.run.history
        if history is None:
            return []
        label = "Loss of training and validation, and r of validation, by epoch and stage."
        return [self.draw(plot_training(None, history), label, label)]

    def predictions(self, content: RunContent) -> list[Picture]:
        """Predicted against measured expression, by part."""
        return [self._prediction(each, content.run.model.unit) for each in content.predicted]

    def _prediction(self, part: Predicted, unit: str) -> Picture:
        label = (
            f"Predicted against measured expression of {counted(part.count, 'sequence')}, "
            f"{part.name}: r = {fixed(part.metrics.pearson)}, "
            f"R² = {fixed(part.metrics.r_squared)}."
        )
        figure = plot_evaluation(None, part.predicted, part.measured, title=part.name, unit=unit)
        return self.draw(
            figure, label, "The stronger the colour, the more sequences. Dashed: equal."
        )

    def residuals(self, content: RunContent) -> list[Picture]:
        """Residuals of the judged part along all that they may depend on."""
        judged = content.judged
        if judged is None:
            return []
        found = []
        for name, values in list(judged.along.items())[:_MOST_RESIDUALS]:
            figure = plot_residuals(
                *(None, values, judged.residual),
                name=name,
                categories=judged.categories.get(name, ()),
                unit=content.run.model.unit,
            )
            found.append(self.draw(figure, f"Measured minus predicted expression by {name}."))
        return found

    def factors(self, content: RunContent) -> list[Picture]:
        """The most important factors, what they do to expression and chromatin, and where."""
        effects = content.effects
        found = [
            self.draw(
                plot_factors(None, effects),
                "Importance and effect of a strongest site of the 20 most important factors: "
                f"{', '.join(effects.factor[place] for place in effects.order[:5])} first.",
                "The factors that change expression most, and what one strongest site does.",
                wide=True,
            )
        ]
        if effects.potentiation_effect is not None:
            found.append(
                self.draw(
                    plot_effects(None, effects),
                    "What a strongest site of each factor adds to expression against what it adds "
                    "to the log odds of accessibility.",
                    "Activity against potentiation. The larger the point, the more important the "
                    "factor in these sequences.",
                )
            )
        if content.run.model.spec.positional:
            names = [effects.factor[place] for place in effects.order[:_MOST_POSITION_PANELS]]
            found.append(
                self.draw(
                    plot_positions(None, content.run.model, names),
                    f"Effect of a strongest site by position and strand of {', '.join(names)}.",
                    "What a strongest site adds by its position and strand, in open chromatin.",
                    wide=True,
                )
            )
        if content.run.model.spec.positional_potentiation:
            names = [effects.factor[place] for place in effects.order[:_MOST_POSITION_PANELS]]
            found.append(
                self.draw(
                    plot_positions(None, content.run.model, names, of="accessibility"),
                    f"Opening by a strongest site by position and strand of {', '.join(names)}.",
                    "What a strongest site adds to the log odds of accessibility, by its position "
                    "and strand.",
                    wide=True,
                )
            )
        if content.run.model.spec.pairs:
            found.append(self._pairs(content.run.model))
        return found

    def _pairs(self, model: Model) -> Picture:
        """The curves of the pairs with the largest effects."""
        names = pair_names(model.spec, model.motif_names)
        shown = ", ".join(f"{a} and {b}" for a, b in names[:5]) + (
            ", ..." if len(names) > 5 else ""
        )
        return self.draw(
            plot_pair_curves(None, model),
            f"Effect of two sites together by orientation and distance, such as {shown}.",
            "What the strongest sites of both factors add together to what each does alone, "
            "in open chromatin, by the distance of their centres as the first one reads. Grey: "
            "the sites overlap.",
            wide=True,
        )

    def differences(self, content: RunContent) -> list[Picture]:
        """What differs between the outputs, if any factor differs."""
        found = content.differences
        if found is None or not any(row.factor for row in found.rows):
            return []
        text = f"What {' and '.join(found.outputs)} learned minus what {found.reference} learned, "
        text += "the factors with the largest differences first"
        lines = "; lines are intervals around the least squares, without penalties."
        text += lines if found.has_intervals else "."
        return [self.draw(draw_differences(None, found), text, text, wide=True)]

    def examples(self, examples: Examples) -> Iterator[Picture]:
        """The sites and bases of each example sequence."""
        for row, kind in enumerate(examples.kinds):
            predicted = float(examples.bases.whole.expression[row])
            measured = float(examples.measured[row])
            text = (
                f"{_capital(kind)}: {examples.names[row]}, measured {measured:.2f}, predicted "
                f"{predicted:.2f}."
            )
            figure = plot_sequence(None, examples.bases, examples.sites, row=row)
            label = f"{text} Sites on both strands, and what each base adds to expression."
            yield self.draw(figure, label, text, wide=True)

    def mutations(self, examples: Examples, unit: str) -> Picture:
        """The effect of every mutation of one base in the first example."""
        text = f"Every mutation of one base of the {examples.kinds[0]} sequence, "
        text += f"{examples.names[0]}: blue raises expression, red lowers it."
        return self.draw(plot_mutations(None, examples.mutations, unit=unit), text, text, wide=True)

    def comparison(self, content: Comparison) -> list[Picture]:
        """Predictions and effects of two models against each other."""
        first, second = content.first, content.second
        unit = first.run.model.unit
        names = (f"{first.run.name} (first)", f"{second.run.name} (second)")
        found = []
        if len(content.measured):
            figure = plot_pairs(
                None,
                *content.predictions,
                labels=(with_unit(names[0], unit), with_unit(names[1], unit)),
                title="Predicted expression",
            )
            found.append(self.draw(figure, "Predictions of both models against each other."))
        if content.shared:
            figure = plot_pairs(
                None,
                _of(first, content.shared),
                _of(second, content.shared),
                labels=(with_unit(names[0], unit), with_unit(names[1], unit)),
                names=content.shared,
                title="Effect of a strongest site",
            )
            label = "Effects of strongest sites in both models against each other."
            found.append(self.draw(figure, label))
        return found


def _of(content: RunContent, names: Iterable[str]) -> np.ndarray:
    """The mean effect of a strongest site, by factor."""
    effect = dict(zip(content.effects.factor, mean_site_effect(content.effects), strict=True))
    return np.array([effect[name] for name in names])


def _capital(text: str) -> str:
    return re.sub("^.", lambda found: found[0].upper(), text)
