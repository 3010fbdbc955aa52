"""Files → arrays and facts: what a file is, and its pixels, samples or words, decoded in worker processes.

Begin with `formats` (which formats are read), `sniff` (what a file is) and `workers.decoder` (the pool of workers).
Importing this package imports no other module.
"""
