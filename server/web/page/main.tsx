import { render } from "preact";
import { App } from "./app.tsx";
import { keepFocus } from "./keep-focus.ts";
import { start } from "./store.ts";

render(<App />, document.getElementById("app")!);
keepFocus();
void start();
