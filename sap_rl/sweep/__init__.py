"""Many evaluations, cell by cell, resumable, on one machine or several."""
