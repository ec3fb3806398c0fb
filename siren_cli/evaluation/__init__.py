"""Evaluation: SIREN beside other codecs, on clips that no network was trained on (`siren eval`)."""
