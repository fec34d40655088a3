"""The gateway as a receiver of nodes: their batches become records of its own stream.

It is the hub's receiver with a journal for a database: the core's ledger decides, the cursor of a
node's stream is a note in the transaction that holds the records, and the answer leaves after the
commit.  `machine` decides and has no thread, `accounts` is what is known of the nodes, `arrivals`
makes messages of a batch, and `receiver` is the port `Source` around them.
"""
