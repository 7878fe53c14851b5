"""How objects usually look: the numbers behind the statistics provider."""
