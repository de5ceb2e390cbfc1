"""The parts of `pipelines.evaluate`: each turns the rows of a finished run into figures.

Reading order: `run_files` and `details` (what is read), `periods` (which rows count, and when), `cards`
(intervals), `scores` and `calibration` (how good are the probabilities), `money` (what was done with
them), `labels` (when the truth arrived), `truth` (what only a simulation knows). Then where and when it
is better or worse: `dimensions` with `slices`, `kinds`, `learning`, `worst`. And figures for those who
want them all: `more_scores`, `rules`, `alerts`, `open_window`. They return plain dicts of numbers;
nothing here writes, draws or words anything.
"""
