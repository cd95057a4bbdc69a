"""The band above 8 kHz of recordings at more than 16 kHz: gains that follow what the enhancer did below."""
