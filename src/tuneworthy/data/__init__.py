"""Files in, examples out: readers, job files, splits, the lockbox."""
