"""What procurement does by itself, on time: nothing yet beyond what every service does."""
