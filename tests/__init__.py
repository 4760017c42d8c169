"""The tests, laid out as the tree is. A package, so that no other `tests` on the path comes first."""
