"""Scripts that measure, by question: see README.md."""
