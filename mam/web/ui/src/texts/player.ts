/** What is said by the player and around it. */
export const player = {};
