import { config } from "zod";

// The page's policy lets no text become code, so zod need not try. It decides when a schema is made: this comes first.
config({ jitless: true });
