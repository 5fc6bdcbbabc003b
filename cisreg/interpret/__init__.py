"""Questions to a trained model: contributions, mutations, variants, experiments, design, certainty.

Nothing here needs TensorFlow, except where sequences are designed by gradients and models are
trained.
"""

from __future__ import annotations

from cisreg.lazy import keep_functions, names_at_first_use

_MODULES = {
    "cisreg.interpret.backgrounds": ("random_backgrounds",),
    "cisreg.interpret.experiment_results": ("Ablation", "Marginalization", "Spacing"),
    "cisreg.interpret.experiments": ("ablate", "marginalize", "space"),
    "cisreg.interpret.sequence_edits": ("delete", "insert", "substitute"),
    "cisreg.interpret.shuffling": ("dinucleotide_shuffle", "shuffle"),
    "cisreg.interpret.concentrations": (
        *("ConcentrationEffects", "change_concentration", "change_each_concentration"),
        "knock_outs",
    ),
    "cisreg.interpret.cooperativity": ("PairScreen", "screen_pairs"),
    "cisreg.interpret.diagnosis": ("Diagnosis", "diagnose_model"),
    "cisreg.interpret.design": ("Beam", "Greedy", "design"),
    "cisreg.interpret.design_constraints": ("Constraints",),
    "cisreg.interpret.design_genetic": ("Genetic",),
    "cisreg.interpret.design_gradient": ("Gradient",),
    "cisreg.interpret.design_result": ("Designs",),
    "cisreg.interpret.bases": (
        "BaseContributions",
        "base_contribution_batches",
        "base_contributions",
    ),
    "cisreg.interpret.contributions": (
        *("Contributions", "contribution_batches", "contributions"),
        *("difference_batches", "explain_difference"),
    ),
    "cisreg.interpret.sites": (
        "SiteContributions",
        "site_contribution_batches",
        "site_contributions",
    ),
    "cisreg.interpret.doses": ("DoseResponse", "dose_response"),
    "cisreg.interpret.factors": ("FactorEffects", "factor_effects"),
    "cisreg.interpret.findings": ("Finding",),
    "cisreg.interpret.mutagenesis": ("Mutagenesis", "mutagenesis", "mutagenesis_batches"),
    "cisreg.interpret.mutation_pairs": ("MutationPairs", "dependency_map", "mutation_pairs"),
    "cisreg.interpret.genome_variants": ("genome_variant_effects",),
    "cisreg.interpret.nucleosomes": ("nucleosome_occupancy",),
    "cisreg.interpret.read_out": ("ModelScan", "ReadOut", "read_out", "scan_model"),
    "cisreg.interpret.variants": (
        *("VariantEffects", "join_effects", "variant_effect_batches", "variant_effects"),
    ),
}

__all__ = [name for names in _MODULES.values() for name in names]

__getattr__ = names_at_first_use(__name__, _MODULES)
keep_functions(__name__, _MODULES)


def __dir__() -> list[str]:
    return __all__
