/** Prints the help pages as JSON, for a server that runs from a checkout: it reads no Markdown itself. */
import { renderHelp } from "./render.ts";

const files = await renderHelp();
process.stdout.write(
  JSON.stringify(files.map(({ path, content }) => ({ path, base64: Buffer.from(content).toString("base64") }))),
);
