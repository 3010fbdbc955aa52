"""How the weights of `mini` are made: each module is a command, see README.md."""
