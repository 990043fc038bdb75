"""The services of the plant and the chassis that they share."""
