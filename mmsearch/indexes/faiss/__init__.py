"""The approximate index: FAISS, and what is added to it."""
