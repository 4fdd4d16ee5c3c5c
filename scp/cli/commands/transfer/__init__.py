"""Commands that bring instances in or out."""
