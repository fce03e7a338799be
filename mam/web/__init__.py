"""Pages and scripts for browsers, and the sign-in that some pages need."""
