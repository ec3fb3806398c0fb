"""Studies beside the table of `siren eval`, one a module (`siren eval --study NAMES`)."""
