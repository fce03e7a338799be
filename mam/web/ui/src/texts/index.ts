/** All texts of the pages. */
import { common } from "./common.js";
import { jobs } from "./jobs.js";
import { library } from "./library.js";
import { player } from "./player.js";
import { sharing } from "./sharing.js";
import { uploads } from "./uploads.js";

export const texts = { ...common, libraryPage: library, jobsPage: jobs, player, sharing, uploads };
