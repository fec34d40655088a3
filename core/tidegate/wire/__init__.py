"""What travels: batches in their envelope, the ledger of who receives them, and its receipts."""
