"""From one transfer syntax to another: data sets re-encoded, Pixel Data decompressed."""
