/**
 * What reads from servers. Part of the main file for bundlers: in a Worker, a chunk that shares code with it would import
 * the Worker's own script, which some engines then run once more.
 */
export { openRemote } from '../http/remote.js';
