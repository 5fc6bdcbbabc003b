"""Processes and signals: workers that train together, and requests to stop."""
