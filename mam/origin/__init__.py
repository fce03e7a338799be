"""The bucket's layout: live revisions, replaced ones, and removals."""
