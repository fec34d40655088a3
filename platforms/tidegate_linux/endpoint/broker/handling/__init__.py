"""What the broker does: functions over its state, one file for each thing that can happen."""
