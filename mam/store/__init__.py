"""The object store: objects and signed URLs. Only this room uses the S3 client."""
