"""What a person watching a run in a terminal sees."""
