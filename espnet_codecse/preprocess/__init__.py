"""ESPnet preprocessors of training utterances: crops, filters, speeds, mixtures, unpaired recordings."""
