"""How fast is training, and where does its time go?"""
