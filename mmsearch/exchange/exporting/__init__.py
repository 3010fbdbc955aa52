"""Out of a collection: one module for each kind of destination, and the run that writes to any of them."""
