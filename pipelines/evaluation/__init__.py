"""The parts of `pipelines.evaluate`: each turns the rows of a finished run into figures.

Reading order: `run_files` (what is read), `periods` (which rows count, and when), `scores` and
`calibration` (how good are the probabilities), `money` (what was done with them), `labels` (when
the truth arrived), `truth` (what only a simulation knows). They return plain dicts of numbers;
nothing here writes, draws or words anything.
"""
