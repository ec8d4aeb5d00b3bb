"""Gaps filled in series: data, training, use and judgement."""
