"""Places: which town lies at a position, and where a town, region or country of a name is. Offline, from GeoNames."""
