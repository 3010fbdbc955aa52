"""From the address of a corpus to its items: folders, archives, Parquet files, on disks and in object stores."""
