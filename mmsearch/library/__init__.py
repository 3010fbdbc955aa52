"""Order in a collection: duplicates, labels, groups, saved searches, folders that are watched.

All of it works on a `Collection` through its public calls. Each function takes the collection first.
"""
