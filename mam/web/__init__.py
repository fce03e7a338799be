"""Pages and scripts that a browser gets, and the sign-in that stands before some of them."""
