"""What a line of words asks for besides its words: what is not wanted, when, where, which kind, with which camera."""
