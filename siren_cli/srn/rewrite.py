"""A `.srn` file taken apart and put together again, without the networks: what `trim` and `voice strip` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from siren_cli.registry.manifest import model_for
from siren_cli.registry.weights import ModelFiles, find_model, read_prior
from siren_cli.srn.file import facts_of, read_srn, refusal
from siren_format.errors import FormatError
from siren_format.prior import NeuralPrior
from siren_format.stream import Stream, bytes_to_stream, stream_to_bytes


@dataclass(frozen=True, eq=False)
class TakenApart:
    """A file's facts and its stream, and of its model the files and the prior."""

    facts: dict[str, Any]
    stream: Stream
    files: ModelFiles
    prior: NeuralPrior | None

    def put_together(self, stream: Stream) -> bytes:
        """The file that says something else instead."""
        return stream_to_bytes(stream, self.prior)


def take_apart(source: str, model: str | None) -> TakenApart:
    """Reads a `.srn` file to its indices.

    Args:
        source: Path, or `-`.
        model: What the user gave with `--model`; None for the packaged model that the file names.

    Raises:
        SrnUnreadable: If it is not a readable `.srn`.
        WeightsMissing: If its model is not here.
        WeightsDamaged: If the model's files are not what they should be.
    """
    data = read_srn(source)
    try:
        facts = facts_of(data)
        files = find_model(model_for(str(facts["model_id"]), model))
        prior = read_prior(files.weights_path)
        return TakenApart(facts, bytes_to_stream(data, files.model_id, prior), files, prior)
    except FormatError as error:
        raise refusal(source, error) from error
