"""Films and animations: frames, shots, and clips as files of their own."""
