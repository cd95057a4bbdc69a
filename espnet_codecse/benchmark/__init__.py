"""What models and codecs cost: parameters, multiplications, time and memory."""
