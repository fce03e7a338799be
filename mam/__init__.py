"""MAM: videos in object storage become HLS streams."""
