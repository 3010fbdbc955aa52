"""From a question to hits: terms, filters, search, match."""
