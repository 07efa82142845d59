"""Mutation testing: each small fault that is planted in the server has to make a test fail.

`mutate` makes the faults, with the operators of mutmut and a few more; `plan` says which tests are to find
them; `plant` puts one into this process, and `run` does that for all. A server that a test starts has it too:
it is in a copy of the source that comes first on its path, and nowhere else. `make mutants` begins it.
"""
