/** What is said in the library. */
export const library = {};
