/** What is said of uploads. */
export const uploads = {};
