"""What arrives goes on to other nodes, by the rules of [[forward]]."""
