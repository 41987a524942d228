"""The domain: frozen types and the words every other room uses.

Standard library and pydantic only; imports no other room.
"""
