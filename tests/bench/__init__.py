"""Benchmarks: `python -m tests.bench`. Each figure stands beside a floor measured in the same run on the same machine.

To add one: write a module here with a function `async def run(options: Options) -> list[Figure]`, and name the module
in `registry.MODULES`.
"""
