"""Documents: their text page by page, what they say of themselves, and the look of pages with few words."""
