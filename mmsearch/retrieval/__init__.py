"""From a file to a vector, from a query to hits."""
