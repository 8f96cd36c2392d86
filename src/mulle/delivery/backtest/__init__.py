"""The production loop replayed over history in virtual time, one policy beside the other."""
