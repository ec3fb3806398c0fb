"""What can be wrong with a ``.srn`` file: one class per defect.

Every error knows where the defect is (``offset``, in bytes from the start of the file) and which field of
``SRN1.md`` it concerns (``field``). The message is one line: what was found, what was expected, what to do.
"""

from __future__ import annotations


class FormatError(Exception):
    """A ``.srn`` file that cannot be read.

    Args:
        message: What was found, what was expected, what to do, without a final full stop.
        offset: Byte at which the field with the defect starts, from the start of the file.
        field: Name of the field, as in ``SRN1.md``.
    """

    def __init__(self, message: str, *, offset: int, field: str) -> None:
        super().__init__(f"{message} (byte {offset}, {field})")
        self.offset = offset
        self.field = field


class NotSirenFile(FormatError):
    """The first two bytes are not those of a ``.srn`` file, or are not there."""


class UnsupportedVersion(FormatError):
    """The file is of a version of the format that this program does not know."""


class ReservedBits(FormatError):
    """A bit or a value that version 1 reserves is in use."""


class LimitExceeded(FormatError):
    """A count is outside the limits of ``SRN1.md``."""


class TruncatedFile(FormatError):
    """The file ends before the field does."""


class TrailingBytes(FormatError):
    """Bytes follow where the file should have ended."""


class BadPayload(FormatError):
    """The payload is not what an encoder writes: impossible, or not in its one canonical form."""


class CheckFailed(FormatError):
    """The check does not match the bytes or the decoded indices."""


class NeedsPrior(FormatError):
    """The payload is coded with the prior of its model, and the reader was given none. The file may be sound."""


class BadVoice(Exception):
    """A text that is not a voice of ``VOICE1.md``. The message is one line: what was found, expected, to do."""


class OtherModel(FormatError):
    """The file was made with other weights than those at hand.

    Args:
        found: Model id in the file, 2 bytes.
        expected: Model id of the weights at hand, 2 bytes.
        offset: Byte at which the model id starts.
    """

    def __init__(self, found: bytes, expected: bytes, *, offset: int) -> None:
        super().__init__(
            f"the file needs model {found.hex()}, the weights at hand are model {expected.hex()}; "
            f"give the weights of model {found.hex()}",
            offset=offset,
            field="model id",
        )
        self.found = found
        self.expected = expected
