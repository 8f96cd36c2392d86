"""Where new rows come from: files, HTTP, object storage, SQL, lines. Each is taken in step by step, exactly once."""
