"""The contract: what every row must satisfy, and how what people write becomes typed values."""
