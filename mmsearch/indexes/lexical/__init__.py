"""Words to the letter: which texts hold a word, a phrase or the beginning of a word. Strings in, ids out."""
