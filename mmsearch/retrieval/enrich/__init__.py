"""More text rows for a file, each with its own evidence: text in pictures, speech in sounds."""
