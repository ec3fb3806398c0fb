"""`siren eval`: measures the codec beside others, on clips nobody trained on. Nothing else imports it."""
