import { openNamespace } from "../../scripts/lab/namespace.ts";

/** Opens a network, starts a command in it, says the command's process id, and waits to be killed. */
const namespace = await openNamespace();
const sleep = namespace.spawn("sleep", ["600"]);
// The command is nsenter's child a moment later.
while (sleep.pid === undefined) await new Promise((done) => setTimeout(done, 5));
process.stdout.write(`${sleep.pid}\n`);
setInterval(() => {}, 1_000);
