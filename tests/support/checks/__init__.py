"""What a node holds, said and printed, looked at from outside."""
