"""Missing bandwidth put back: data, training, use, judgement, and the models that come with the package."""
