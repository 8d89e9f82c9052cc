"""Raw records to a dataset you can trust, a verdict on models you can defend, and a guard."""

__version__ = "0.1.0"
