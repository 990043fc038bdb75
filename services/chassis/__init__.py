"""The microservice chassis: what every service does the same way. It holds no word of the plant."""
