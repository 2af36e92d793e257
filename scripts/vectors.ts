import { Fault } from "../fault.ts";
import { checkVector } from "./vectors/check.ts";
import { readVectorFile } from "./vectors/index-file.ts";

/**
 * `npm run vectors -- FILE`: tries every packet vector of an index file on our
 * readers and on our server's decisions. The last line says how many passed.
 * Exit code 1 when one failed, 2 when the file cannot be used.
 */
async function main(args: readonly string[]): Promise<number> {
  const [path, ...more] = args;
  if (path === undefined || more.length > 0) {
    console.error("usage: npm run vectors -- FILE    (for example test/vectors/packets.json)");
    return 2;
  }
  const { server, vectors } = await readVectorFile(path);
  let failed = 0;
  for (const vector of vectors) {
    const { differences, notChecked } = await checkVector(vector, server);
    if (differences.length > 0) failed += 1;
    if (differences.length > 0) console.log(`FAILED  ${vector.name}`);
    else if (notChecked.length > 0) console.log(`passed  ${vector.name}`);
    for (const difference of differences) console.log(`          ${difference}`);
    for (const what of notChecked) console.log(`          not checked: ${what}`);
  }
  console.log(`${vectors.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  console.error(`${error.what}\n${error.why}\n${error.fix}`);
  process.exitCode = 2;
}
