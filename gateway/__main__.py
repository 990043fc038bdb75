"""`python -m gateway`: the HTTP door as a process."""

from gateway.serve import main

if __name__ == "__main__":
    main()
