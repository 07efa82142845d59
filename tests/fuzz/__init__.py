"""What anybody may send, made up at random: by atheris, which looks for new paths, and by hypothesis.

Each target is a function of bytes that raises what should not be. `tests/fuzz/run.py` lets atheris loose on
one; `tests/fuzz/test_fuzz.py` tries all that is in `corpus/`, and a little more.
"""
