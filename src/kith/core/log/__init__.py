"""What is kept of messages, how far each account's devices have got, and what they have missed."""
