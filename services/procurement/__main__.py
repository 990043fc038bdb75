"""`python -m services.procurement`: run the service until SIGTERM."""

from services.chassis.serve import main

if __name__ == "__main__":
    main("procurement")
