"""Labels that a model gives by words alone: vocabularies, how probable a label is, and the table that keeps them."""
