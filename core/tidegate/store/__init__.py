"""What is kept: admission, the account of each lane, room, and the journal with its frames."""
