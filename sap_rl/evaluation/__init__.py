"""Playing games for a score: arms, pairing, statistics, results."""
