"""Forged inputs for the gate, the readers and the core: seeds, mutations, targets, a runner.

`python -m support.fuzz --help`, in the folder of the tests.
"""
