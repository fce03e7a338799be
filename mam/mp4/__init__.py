"""MP4 and QuickTime files as bytes: boxes, sample tables, and the resulting index. Pure, bounded, with numpy."""
