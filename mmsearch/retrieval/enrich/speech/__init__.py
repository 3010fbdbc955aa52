"""Speech: where somebody speaks in a sound, and what is said, with times."""
