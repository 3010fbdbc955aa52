"""Groups of files: by what they look, sound or read like, and by when and where they were made; names, sheets.

`cluster` and `louvain` find groups of vectors, `events` of times and places; `names` says what sets a group apart;
`kept` keeps the ids of groups from one run to the next; `sheets` writes pages of pictures.
"""
