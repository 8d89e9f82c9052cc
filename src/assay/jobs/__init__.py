"""What a command does: one public function each, or two that belong together, and their results."""
