"""How sure is a score: probabilities, thresholds for a precision, and how far both can be trusted."""
