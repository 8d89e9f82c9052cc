"""Where records come from: files of many kinds to shards, a shard to rows."""
