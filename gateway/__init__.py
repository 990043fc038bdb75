"""The HTTP door of the plant."""
