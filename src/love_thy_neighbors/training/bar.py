"""Lightning's progress bar with the name of the model that is trained: a command trains several, one after another."""

from pytorch_lightning.callbacks import RichProgressBar
from rich.markup import escape

from love_thy_neighbors.visible import visible


class NamedBar(RichProgressBar):
    """A bar for an epoch, ``visual_only, the baseline: epoch 3 of 60``, and one for validation and test."""

    def __init__(self, title: str) -> None:
        super().__init__(refresh_rate=10)
        self.title = escape(visible(title))  # Lightning reads square brackets as Rich's signs

    def _get_train_description(self, current_epoch: int) -> str:  # Lightning has no public way
        return f"{self.title}: epoch {current_epoch + 1} of {self.trainer.max_epochs}"

    @property
    def validation_description(self) -> str:
        return f"{self.title}: validation"

    @property
    def test_description(self) -> str:
        return f"{self.title}: test"
