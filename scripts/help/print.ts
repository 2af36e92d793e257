/** Prints the help pages as JSON, for a server that runs from a checkout: it reads no Markdown itself. */
import { renderHelp } from "./render.ts";

process.stdout.write(JSON.stringify(await renderHelp()));
