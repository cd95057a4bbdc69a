"""The cost of models and codecs: parameters, multiplications, time and memory."""
