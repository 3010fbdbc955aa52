"""From folders to committed rows: scan, diff, then decode, encode and write side by side."""
