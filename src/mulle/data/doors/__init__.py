"""Doors: data that other tools hold comes in with its history, and leaves in forms that they read."""
