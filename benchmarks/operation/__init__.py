"""How fast are the operation and plain scanning, and how far from what the processor allows?"""
