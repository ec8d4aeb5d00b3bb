"""The names of the networks that can be built, with a line on each. No torch here: ``--help`` reads this."""

from __future__ import annotations

NETWORK_NAMES: dict[str, str] = {
    "a1-standard": "WaveNet of Neural Amp Modeler, A1 standard: 13,802 weights, sees 4,093 samples",
    "a1-lite": "WaveNet, A1 lite: 6,554 weights, sees 4,093 samples",
    "a1-feather": "WaveNet, A1 feather: 3,026 weights, sees 4,093 samples",
    "a1-nano": "WaveNet, A1 nano: 842 weights, sees 4,093 samples",
    "a2-full": "WaveNet, A2 full: 12,146 weights, sees 6,347 samples",
    "a2-lite": "WaveNet, A2 lite: 1,871 weights, sees 6,347 samples",
    "a2": "WaveNet A2, full and lite trained together, for one file that is played at either size",
    "gated-wavenet": "aNN_Audio's WaveNet: gated, kernel 2, dilations 1 to 8192, activations with a learned slope",
    "lstm": "long short-term memory with a linear output, 24 units",
    "gru": "gated recurrent units with a linear output, 24 units",
    "linear": "one impulse response of 2,048 samples: a cabinet, or the baseline to beat",
    "window-linear": "half a second at once through a matrix of rank 1,000: a baseline; looks half a second ahead",
    "window-dense": "half a second at once through 1,000 hidden units: a baseline; looks half a second ahead",
    "conv-deconv": "64 filters of 64 samples there and back, a hidden layer between; looks 63 samples ahead",
    "conv-deconv-multi": "24 filters each of 16, 64 and 128 samples side by side; looks 127 samples ahead",
}
"""The networks that make one sound of another, for `wavewright.nets.registry.build`, in the order of help."""

GENERATOR_NAMES: dict[str, str] = {
    "audio-rnn": "AudioRNN's network: a dense layer, two GRUs of 256 units that also hear past one another, a softmax",
    "sample-wavenet": "WaveNet over codes: 20 dilated layers of 16 channels and a softmax; trains quickest on a CPU",
    "sample-rnn": "SampleRNN in three tiers: recurrent over frames of 16 and of 4 samples, then sample by sample",
    "sample-rnn-two-tier": "SampleRNN in two tiers: recurrent over frames of 16 samples, then sample by sample",
}
"""The same for the networks that continue a sound sample by sample."""

FRAME_NAMES: dict[str, str] = {
    "frame-mixture": "LSTMs over frames and a mixture of normal distributions: learns when a sound ends, stays quiet",
    "frame-tokens": "LSTMs over frames that were made into codes by residual k-means, a softmax for each codebook",
    "frame-lstm": "GRUV's: dense, stacked LSTMs, dense; predicts one frame by squared error, as ten years ago",
}
"""The same for those that go frame by frame."""

UPSAMPLER_NAMES: dict[str, str] = {
    "spectral-upsampler": "writes the spectrum above the band frame by frame, magnitude and phase: quick, and the best",
    "tfilm-unet": "Audio U-Net with temporal feature-wise linear modulation; --size 128 is the paper's",
    "audio-unet": "Audio U-Net: convolutions down to a sixteenth of the rate and up again",
    "patch-dnn": "dense layers over a patch: the plainest baseline",
}
"""The same for the networks that put missing bandwidth back."""

IMPUTER_NAMES: dict[str, str] = {
    "tfilm-series": "the U-Net with temporal feature-wise linear modulation, over all series at once",
    "unet-series": "the same without modulation",
    "series-gru": "gated recurrent units that read both ways",
    "series-linear": "one linear filter across all series: the learned baseline",
}
"""The same for the networks that fill gaps in series."""
