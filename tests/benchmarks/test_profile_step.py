"""The profile of the train step adds up, and its script runs."""

from __future__ import annotations

import json

import pytest
from benchmark_runs import run_successfully

from benchmarks.training.profile_step import Event, covered, part_of


def test_time_is_covered_once_whatever_runs_at_once():
    events = [Event("", *each, 0) for each in ((0, 10), (2, 5), (8, 12), (20, 30))]
    assert covered(events) == 22


@pytest.mark.parametrize(
    ("name", "part", "kind"),
    [
        ("while/body/_1/while/model/Cisreg>Occupancy:Cisreg>Occupancy", "occupancy", None),
        ("while/body/_1/while/batch/GatherV2_1:GatherV2", "batch", "GatherV2"),
        ("while/body/_1/while/check_1/Sum:Sum", "check", "Sum"),
        ("while/body/_1/gradient_tape/while/loss/Tile:Tile", "loss, gradient", "Tile"),
        ("while/cond/_0/while/Less:Less", "loop", "Less"),
    ],
)
def test_the_part_that_an_operation_belongs_to(name, part, kind):
    assert part_of(name) == (part, kind or "Cisreg>Occupancy")


def test_the_script_profiles_a_tiny_step(tmp_path):
    path = tmp_path / "profile.json"
    printed = run_successfully("training.profile_step", "--quick", "--json", str(path))
    assert "around the operation" in printed
    (result,) = json.loads(path.read_text())["results"]
    calls = {(row["part"], row["operation"]): row["calls"] for row in result["rows"]}
    assert calls["occupancy", "Cisreg>Occupancy"] == pytest.approx(1)
    assert calls["occupancy", "Cisreg>OccupancyGrad"] == pytest.approx(1)
    assert {"optimizer", "batch", "penalty"} <= {part for part, _ in calls}
    assert 0 < result["around_share"] < 1
