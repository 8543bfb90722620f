"""Questions to kept models: asked once, their answers kept, whatever is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from affetto.errors import AffettoError
from affetto.parallel import ExecutorParameters, map_shards
from affetto.results import ResultStore

Answer_co = TypeVar("Answer_co", covariant=True)


class Question(Protocol[Answer_co]):
    """All that is asked of the model of one fold; cheap to send to a worker."""

    @property
    def fold(self) -> int:
        """Fold of the model."""
        ...

    @property
    def store(self) -> ResultStore:
        """Where the answers are kept."""
        ...

    def answers(self) -> Answer_co | None:
        """Return what was said earlier; None when the model was not asked yet."""
        ...

    def run(self) -> None:
        """Ask the model and keep its answers."""
        ...


def ask_all(
    questions: Sequence[Question[Answer_co]], executor: ExecutorParameters, description: str
) -> list[Answer_co]:
    """Ask the models that were not asked yet; return the answers of all, in order.

    Parameters
    ----------
    questions
        One a model, all of one kind.
    executor
        Where the models run.
    description
        Label of the progress bar.

    Raises
    ------
    AffettoError
        When answers vanish from the store meanwhile.
    """
    missing = [question for question in questions if question.answers() is None]
    if missing:
        units = [1] * len(missing)
        map_shards(_run, missing, executor, description=description, total_units=units, unit="model")
    return [_known(question) for question in questions]


def _run(question: Question[Answer_co]) -> None:
    question.run()


def _known(question: Question[Answer_co]) -> Answer_co:
    answers = question.answers()
    if answers is None:
        raise AffettoError(
            f"The answers of fold {question.fold} vanished from {question.store.root}: run again."
        )
    return answers
