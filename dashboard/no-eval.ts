import { config } from "zod";

// The page's Content-Security-Policy forbids eval, which zod would try. Zod decides when a schema is made, so this module is
// imported first.
config({ jitless: true });
