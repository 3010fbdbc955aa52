"""Models that run through transformers: CLAP for sounds, PE-AV for sounds and for films."""
