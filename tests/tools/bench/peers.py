"""Other neural codecs and a speech encoder: published architectures from transformers, with random weights.

Speed does not depend on the values of the weights, so nothing is downloaded. The settings are written out, because the
defaults of transformers are not everywhere the published ones (DAC's are not), and may change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
import torch

from tests.tools.bench.contender import Contender

Samples = npt.NDArray[np.float32]

ENCODEC_24_KHZ: dict[str, Any] = {
    # facebook/encodec_24khz (Défossez et al. 2022)
    "sampling_rate": 24_000,
    "audio_channels": 1,
    "normalize": False,
    "target_bandwidths": [1.5, 3.0, 6.0, 12.0, 24.0],
    "hidden_size": 128,
    "num_filters": 32,
    "num_residual_layers": 1,
    "upsampling_ratios": [8, 5, 4, 2],
    "norm_type": "weight_norm",
    "kernel_size": 7,
    "last_kernel_size": 7,
    "residual_kernel_size": 3,
    "dilation_growth_rate": 2,
    "use_causal_conv": True,
    "compress": 2,
    "num_lstm_layers": 2,
    "codebook_size": 1024,
    "codebook_dim": 128,
    "use_conv_shortcut": True,
}
MIMI: dict[str, Any] = {
    # kyutai/mimi (Défossez et al. 2024)
    "sampling_rate": 24_000,
    "audio_channels": 1,
    "hidden_size": 512,
    "num_filters": 64,
    "num_residual_layers": 1,
    "upsampling_ratios": [8, 6, 5, 4],
    "kernel_size": 7,
    "last_kernel_size": 3,
    "residual_kernel_size": 3,
    "dilation_growth_rate": 2,
    "use_causal_conv": True,
    "compress": 2,
    "codebook_size": 2048,
    "codebook_dim": 256,
    "num_quantizers": 32,
    "num_semantic_quantizers": 1,
    "num_hidden_layers": 8,
    "intermediate_size": 2048,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "sliding_window": 250,
    "upsample_groups": 512,
    "use_conv_shortcut": False,
    "vector_quantization_hidden_dimension": 256,
}
DAC_16_KHZ: dict[str, Any] = {
    # descript/dac_16khz (Kumar et al. 2023), conf/final/16khz.yml of descript-audio-codec
    "sampling_rate": 16_000,
    "encoder_hidden_size": 64,
    "downsampling_ratios": [2, 4, 5, 8],
    "decoder_hidden_size": 1536,
    "n_codebooks": 12,
    "codebook_size": 1024,
    "codebook_dim": 8,
}
DISTILHUBERT: dict[str, Any] = {
    # ntu-spml/distilhubert (Chang et al. 2022)
    "hidden_size": 768,
    "num_hidden_layers": 2,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "conv_bias": False,
    "feat_extract_norm": "group",
    "feat_proj_layer_norm": False,
    "do_stable_layer_norm": False,
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
}
ENCODEC_KBPS = 1.5
MIMI_QUANTIZERS = 8


def peers(wav: Samples, sample_rate_hz: int) -> list[Contender]:
    """Builds the peers around one recording.

    Args:
        wav: Samples [T].
        sample_rate_hz: Of `wav`; each peer hears it at its own rate, resampled beforehand.

    Returns:
        One contender a peer; their calls run under `torch.inference_mode`.
    """
    from transformers import (
        DacConfig,
        DacModel,
        EncodecConfig,
        EncodecModel,
        HubertConfig,
        HubertModel,
        MimiConfig,
        MimiModel,
    )

    torch.manual_seed(0)
    encodec = EncodecModel(EncodecConfig(**ENCODEC_24_KHZ)).eval()
    mimi = MimiModel(MimiConfig(**MIMI)).eval()
    dac = DacModel(DacConfig(**DAC_16_KHZ)).eval()
    hubert = HubertModel(HubertConfig(**DISTILHUBERT)).eval()

    def at(rate_hz: int) -> torch.Tensor:
        samples = wav if rate_hz == sample_rate_hz else soxr.resample(wav, sample_rate_hz, rate_hz)
        return torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))[None, None]

    at_16_khz, at_24_khz = at(16_000), at(24_000)
    with torch.inference_mode():
        encodec_codes = encodec.encode(at_24_khz, bandwidth=ENCODEC_KBPS)
        mimi_codes = mimi.encode(at_24_khz, num_quantizers=MIMI_QUANTIZERS).audio_codes
        dac_codes = dac.encode(at_16_khz).audio_codes
    return [
        Contender(
            f"EnCodec 24 kHz, {ENCODEC_KBPS} kbps",
            lambda: encodec.encode(at_24_khz, bandwidth=ENCODEC_KBPS),
            lambda: encodec.decode(encodec_codes.audio_codes, encodec_codes.audio_scales),
            is_peer=True,
        ),
        Contender(
            f"Mimi, {MIMI_QUANTIZERS} codebooks, 1.1 kbps",
            lambda: mimi.encode(at_24_khz, num_quantizers=MIMI_QUANTIZERS),
            lambda: mimi.decode(mimi_codes),
            is_peer=True,
        ),
        Contender(
            "DAC 16 kHz, 6 kbps",
            lambda: dac.encode(at_16_khz),
            lambda: dac.decode(audio_codes=dac_codes),
            is_peer=True,
        ),
        Contender("DistilHuBERT, forward alone", lambda: hubert(at_16_khz[0]), None),
    ]
