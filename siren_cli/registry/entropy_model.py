"""The priors of the models at hand, each read once. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from siren_cli.errors import WeightsMissing
from siren_cli.registry.manifest import model_for

if TYPE_CHECKING:
    from siren_format.prior import NeuralPrior


@dataclass(frozen=True)
class EntropyModel:
    """The part of a model that codes indices; without a prior they are packed."""

    model_id: bytes
    prior: NeuralPrior | None


class Shelf:
    """Finds models by the id in a file.

    Args:
        model: What the user gave with `--model`; then that is the only one.
    """

    def __init__(self, model: str | None) -> None:
        self._model = model
        self._by_id: dict[bytes | None, EntropyModel | None] = {}

    def find(self, model_id: bytes | None) -> EntropyModel | None:
        """Finds a model.

        Args:
            model_id: Its id; None for the user's, or else the default.

        Returns:
            The model; None if it is not at hand.

        Raises:
            WeightsMissing: If the model that the user named is not there, or there is no default.
            WeightsDamaged: If its files are not what they should be.
        """
        if model_id not in self._by_id:
            self._by_id[model_id] = self._read(model_id)
        return self._by_id[model_id]

    def _read(self, model_id: bytes | None) -> EntropyModel | None:
        from siren_cli.registry.weights import find_model, read_prior

        try:
            files = find_model(self._model if model_id is None else model_for(model_id.hex(), self._model))
        except WeightsMissing:
            if self._model is not None or model_id is None:
                raise
            return None
        if model_id is not None and files.model_id != model_id:
            return None
        return EntropyModel(files.model_id, read_prior(files.weights_path))
