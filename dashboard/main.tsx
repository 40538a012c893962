import "./no-eval.ts";
import { render } from "preact";
import { App } from "./app.tsx";
import { restoreSession } from "./load.ts";
import { applyTheme } from "./theme.ts";
import "./style.css";

applyTheme();
const root = document.getElementById("app");
if (root !== null) render(<App />, root);
void restoreSession();
