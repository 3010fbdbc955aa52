"""What runs workers on many machines; each is optional, and calls the same worker."""
