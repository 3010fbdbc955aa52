"""Into a collection: one module for each kind of source, and the run that reads any of them."""
