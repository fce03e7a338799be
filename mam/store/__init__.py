"""The object store: objects and signed URLs. The only room that knows the S3 client."""
