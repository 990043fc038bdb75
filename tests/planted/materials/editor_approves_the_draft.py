"""Who changed a draft approves it."""

from services.chassis.revisions import RevisionColumns
from services.materials.model.revising import EditedRevision
from tests.planted.planting import replace

RULE = "MAT-161"


def plant() -> None:
    replace(EditedRevision, "_other_than_author", RevisionColumns._other_than_author)
