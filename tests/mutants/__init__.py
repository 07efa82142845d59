"""Mutation testing: each small fault that is planted in the server has to make a test fail.

`mutate` makes the faults, with the operators of mutmut and a few more; `plan` says which tests are to find
them; `run` plants one after the other. A server that a test starts in a process of its own has the fault too:
it is in a copy of the source that comes first on its path, and nowhere else. `make mutants` begins it.
"""
