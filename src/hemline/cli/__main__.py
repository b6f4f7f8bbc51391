"""`python -m hemline.cli`."""

from hemline.cli import main

if __name__ == "__main__":
    main()
