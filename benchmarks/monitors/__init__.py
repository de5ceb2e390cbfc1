"""`make bench-monitors`: the monitors beside river's drift detectors and Evidently's default preset."""
