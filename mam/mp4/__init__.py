"""MP4 and QuickTime files as bytes: boxes, sample tables, and the index they make. Pure; bounded; numpy."""
