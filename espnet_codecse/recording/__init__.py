"""Recordings of any format, rate and length: found, read and written as streams, enhanced, encoded and decoded."""
