"""Enhance, encode and decode recordings of any format, sample rate and length, read and written as streams."""
