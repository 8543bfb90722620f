"""How good the models are, how sure that is, and the figures and reports that show it."""
