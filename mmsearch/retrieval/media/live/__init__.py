"""Sound while it is being made: a microphone, a file that grows, standard input, a stream."""
