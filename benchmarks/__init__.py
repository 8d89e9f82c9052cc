"""Measurements that anybody can repeat: generated records, a rival, and the same job in assay."""
