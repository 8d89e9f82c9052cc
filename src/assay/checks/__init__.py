"""Checks: functions that look at data and say what is wrong with it, one file a noun."""
