"""`make bench-train`: features, learning and the complete replay beside what others do the same with.

One family of contenders a file; `job` lets them take turns and writes the table.
"""
