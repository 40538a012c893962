/** For `node --import`: on SIGUSR2 the process collects all its garbage, and gives back what that frees, as an idle one does some day. */
import { Session } from "node:inspector";

const session = new Session();
session.connect();
process.on("SIGUSR2", () => session.post("HeapProfiler.collectGarbage", () => console.error("collected")));
