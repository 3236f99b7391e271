"""Patches in the exact format with known factors behind their pixels."""
