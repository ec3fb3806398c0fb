"""Several channels to one: their mean, or the loudest of them where they cancel each other out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CANCELLED_DB = 10.0
"""Level of the mean below the loudest channel from which the channels count as cancelling out."""

_QUIET_POWER = 10.0 ** (-80.0 / 10.0)
_WINDOW_S = 0.1
_DECIDED_AFTER_S = 10
_MAX_HELD_VALUES = 2**23


class ChannelChoice:
    """Chooses the channel to use from the first ten seconds that are not silent.

    A recording in antiphase, whose channels cancel each other out, keeps its loudest channel; all others are mixed
    down. How the recording is cut into blocks makes no difference.

    Args:
        rate_hz: Sample rate.
        channels: Number of channels.

    Attributes:
        channel: The channel to use, from 0; None to mix all of them.
        is_settled: Whether `channel` is final.
        has_begun: Whether a window that is not silent has come.
        quiet_samples: Samples of the silent windows before it.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self.channel: int | None = None
        self.is_settled = channels < 2
        self._window = max(1, int(_WINDOW_S * rate_hz))
        self._left_samples = max(self._window, min(_DECIDED_AFTER_S * rate_hz, _MAX_HELD_VALUES // channels))
        self._rest = np.zeros((0, channels), np.float32)
        self._powers = np.zeros(channels)
        self._mixed_power = 0.0
        self.has_begun = False
        self.quiet_samples = 0

    def add(self, block: NDArray[np.float32]) -> None:
        """Takes the next samples [T, C]."""
        if self.is_settled:
            return
        rows = np.concatenate([self._rest, block])
        whole = len(rows) // self._window * self._window
        for start in range(0, whole, self._window):
            if self._weigh(rows[start : start + self._window]):
                return
        self._rest = rows[whole:]

    def settle(self) -> None:
        """Ends the recording, however short it was."""
        if not self.is_settled:
            if len(self._rest):
                self._weigh(self._rest)
            self._decide()

    def _weigh(self, rows: NDArray[np.float32]) -> bool:
        """Takes a window; whether the choice is settled with it."""
        wide = rows.astype(np.float64)
        powers = wide.var(axis=0)
        if powers.max() > _QUIET_POWER:
            self.has_begun = True
            self._powers += powers
            self._mixed_power += float(wide.mean(axis=1).var())
        if not self.has_begun:
            self.quiet_samples += len(rows)
        else:
            self._left_samples -= len(rows)
            if self._left_samples <= 0:
                self._decide()
        return self.is_settled

    def _decide(self) -> None:
        self.is_settled = True
        loudest = int(self._powers.argmax())
        if self._mixed_power < self._powers[loudest] * 10.0 ** (-CANCELLED_DB / 10.0):
            self.channel = loudest


class Mixer:
    """Brings a recording that arrives block by block to one channel, as `ChannelChoice` decides.

    Args:
        rate_hz: Sample rate.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._choice: ChannelChoice | None = None
        self._held: list[NDArray[np.float32]] = []
        self._quiet_given = 0

    @property
    def channel(self) -> int | None:
        """The channel that is used alone, from 0; None if all are mixed, as far as is known."""
        return None if self._choice is None else self._choice.channel

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes samples [T] or [T, C], gives those [T'] whose mixing is decided."""
        rows = block[:, None] if block.ndim == 1 else block
        if self._choice is None:
            self._choice = ChannelChoice(self._rate_hz, rows.shape[1])
        self._choice.add(rows)
        self._held.append(rows)
        if self._choice.is_settled:
            return self._release()
        if (quiet := self._choice.quiet_samples - self._quiet_given) > 0:
            return self._release_quiet(quiet)
        return np.zeros(0, np.float32)

    def finish(self) -> NDArray[np.float32]:
        """Gives the samples [T] that were still held."""
        if self._choice is not None:
            self._choice.settle()
        return self._release()

    def _release(self) -> NDArray[np.float32]:
        quiet = 0 if self._choice is None else self._choice.quiet_samples - self._quiet_given
        before = self._release_quiet(quiet) if quiet > 0 else np.zeros(0, np.float32)
        held, self._held = self._held, []
        mixed = [mix_down(rows) if self.channel is None else rows[:, self.channel] for rows in held]
        return np.concatenate([before, *mixed, np.zeros(0, np.float32)])

    def _release_quiet(self, count: int) -> NDArray[np.float32]:
        """Mixes the silent samples before the first window that is not silent, whatever is chosen later."""
        rows = np.concatenate(self._held)
        self._quiet_given += count
        self._held = [rows[count:]]
        return mix_down(rows[:count])


def mix_down(wav: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels.

    Args:
        wav: Samples [T] or [T, C].

    Returns:
        Samples [T].
    """
    if wav.ndim == 1:
        return wav
    if wav.shape[1] == 1:
        return wav[:, 0]
    mean: NDArray[np.float32] = wav.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mean
