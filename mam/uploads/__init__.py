"""Uploads: browsers send files to the bucket in signed parts; this room starts, checks and completes them."""
