"""Network architectures, one a file, all under the contract of `wavewright.nets.contract`."""
