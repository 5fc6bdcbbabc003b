"""How right and how fast are the answers to questions about a model?"""
