import { Resolver } from "node:dns/promises";

const TIMEOUT_MS = 1500;

/** What reverse DNS calls an address; undefined when it has no name or no server answers in time. */
export async function reverseName(address: string): Promise<string | undefined> {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 });
  try {
    return (await resolver.reverse(address))[0];
  } catch {
    return undefined;
  }
}
