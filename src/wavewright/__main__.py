"""``python -m wavewright``: the command line, also for ``torchrun -m wavewright train …``."""

from wavewright.cli.main import main

if __name__ == "__main__":
    main()
