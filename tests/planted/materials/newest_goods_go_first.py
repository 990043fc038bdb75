"""An issue takes the layer that came last."""

from tests.planted.planting import edit_function

RULE = "MAT-183"


def plant() -> None:
    edit_function("materials", "take_layers", "x.layer_time, x.sequence, x.part", "x.layer_time desc, x.sequence desc")
