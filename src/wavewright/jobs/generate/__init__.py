"""New sound sample by sample: what it is learned from, how it is drawn and judged."""
