"""Parts of sources: each becomes shards by a function of the part, the models and the options alone."""
