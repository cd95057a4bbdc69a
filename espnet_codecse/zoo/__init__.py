"""Write, verify, find, load and publish packed models. The content of a pack is never trusted."""
