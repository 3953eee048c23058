"""Weald, a regional imaging index: all that does I/O."""
