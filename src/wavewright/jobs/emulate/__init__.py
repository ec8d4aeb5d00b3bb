"""Digital twins: what they learn from, how they are trained, judged, played and written for other players."""
