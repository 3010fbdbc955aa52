"""Files of which there are several: found by content, by what pictures show, and by aligned films and sounds."""
