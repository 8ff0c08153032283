"""`python -m compare`: the same as `python -m compare.cli`."""

from .cli import main

if __name__ == "__main__":
    main()
