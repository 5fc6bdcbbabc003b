"""Processes and signals: workers that train together, and how a run is asked to stop."""
