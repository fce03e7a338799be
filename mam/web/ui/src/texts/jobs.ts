/** What is said on the jobs page. */
export const jobs = {};
