"""Whether a play does anything: those it was offered to beside those its holdout withheld it from."""
