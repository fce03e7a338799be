"""Uploads: files go from the browser into the bucket in signed parts; this room begins, checks and ends them."""
