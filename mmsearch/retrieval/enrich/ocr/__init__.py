"""Text in pictures: `reader` finds and reads lines, `reading_order` sorts them, `over_time` joins those of a film."""
