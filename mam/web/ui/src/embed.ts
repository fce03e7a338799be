/** The player alone, in a frame of another site. */
import "./player/element.js";
