"""Mid-term features: what takes seconds to hear in music, between the frame and the clip."""
