"""River estimators, and the same arithmetic compiled over columns.

`squash` and `interactions` are the two transformers that river lacks, `baseline` is the pipeline,
`fast_forward` learns it over columns, `scoring` scores one row, `heuristic` is plan B, `artefact` is
how a model is written to disk.
"""
