"""How far a coded file can be checked without sound: its structure always, its indices where its model is. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from siren_cli.errors import SirenError
from siren_cli.registry.entropy_model import EntropyModel, Shelf
from siren_cli.srn.file import read_srn, refusal
from siren_format.errors import FormatError, NeedsPrior
from siren_format.layout import parse_layout
from siren_format.packet_file import PACKET_FILE_MAGIC, file_to_packets


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        source: Path of the file, or `-`.
        checked: `indices` if they were decoded and compared with the check, else `structure`.
        error: What is wrong; None if nothing was found.
    """

    source: str
    checked: str
    error: SirenError | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values by name, for `--json`."""
        if self.error is None:
            return {"file": self.source, "status": "sound", "checked": self.checked}
        error = {"error": str(self.error), "exit_status": int(self.error.exit_status)}
        return {"file": self.source, "status": "refused", "checked": self.checked, **error}


class Checker:
    """Checks one file after another, and reads every model once.

    Args:
        model: What the user gave with `--model`.
        fast: Whether to check structure and parity only, without NumPy and without a model.
    """

    def __init__(self, model: str | None, *, fast: bool) -> None:
        self._shelf = None if fast else Shelf(model)

    def check(self, source: str) -> Verdict:
        """Checks a file.

        Args:
            source: Path, or `-`.

        Returns:
            What was found.

        Raises:
            WeightsMissing: If the model that the user named is not there.
            WeightsDamaged: If a model's files are not what they should be.
        """
        checked = "structure"
        try:
            data = read_srn(source)
            is_packets = data.startswith(PACKET_FILE_MAGIC)
            if is_packets:
                model_id, packets = file_to_packets(data)
            else:
                model_id, packets = parse_layout(data).header.model_id, []
        except FormatError as error:
            return Verdict(source, checked, refusal(source, error))
        except SirenError as error:
            return Verdict(source, checked, error)
        model = None if self._shelf is None else self._shelf.find(model_id)
        if model is None:
            return Verdict(source, checked)
        try:
            if is_packets:
                _check_packets(packets, model)
            else:
                from siren_format.stream import bytes_to_stream

                bytes_to_stream(data, model.model_id, model.prior)
        except NeedsPrior:
            return Verdict(source, checked)
        except FormatError as error:
            return Verdict(source, "indices", refusal(source, error))
        return Verdict(source, "indices")


def _check_packets(packets: list[bytes], model: EntropyModel) -> None:
    from siren_format.packet import parse_packet

    for packet in packets:
        parse_packet(packet, model.prior)
