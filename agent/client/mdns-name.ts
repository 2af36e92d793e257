import { lookup } from "node:dns/promises";
import { networkInterfaces } from "node:os";
import BonjourService from "bonjour-service";
import type { Logger } from "pino";

/** Asked again like this: the first question is often lost. */
const ASK_EVERY_MS = 500;
const FIND_WITHIN_MS = 4_000;

/** The part of `bonjour-service` that its types hide. */
type Inside = {
  readonly server: {
    readonly mdns: NodeJS.EventEmitter & { query(question: { questions: { name: string; type: "A" }[] }): void };
  };
};

type Answer = { readonly name: string; readonly type: string; readonly data: unknown };

/**
 * The server that an address means, with a name that ends in ".local" replaced by its IPv4 address. The system is asked
 * first; where it knows no multicast DNS, as most Linux systems do not, we ask ourselves, on every network.
 *
 * A name that nobody answers for is left as it is: whoever connects to it says that it is unknown.
 */
export async function resolveLocal(server: URL, log: Logger): Promise<URL> {
  const name = server.hostname.toLowerCase().replace(/\.$/, "");
  if (!name.endsWith(".local")) return server;
  const known = await lookup(name, { family: 4 }).catch(() => undefined);
  const address = known?.address ?? (await askAll(name, log));
  if (address === undefined) return server;
  const found = new URL(server);
  found.hostname = address;
  return found;
}

async function askAll(name: string, log: Logger): Promise<string | undefined> {
  const own = Object.values(networkInterfaces())
    .flatMap((list = []) => list)
    .filter(({ family, internal }) => family === "IPv4" && !internal);
  const asked = own.map(({ address }) => ask(name, address, log));
  const answers = asked.map(({ answer }) => answer);
  try {
    return await Promise.race([Promise.any(answers).catch(() => undefined), after(FIND_WITHIN_MS)]);
  } finally {
    for (const { stop } of asked) stop();
  }
}

function ask(name: string, address: string, log: Logger): { answer: Promise<string>; stop(): void } {
  const onError = (error: unknown) => log.debug({ err: error, address }, "mdns: cannot ask here");
  const bonjour = new BonjourService({ interface: address, bind: "0.0.0.0" } as object, onError);
  const { mdns } = (bonjour as unknown as Inside).server;
  mdns.on("error", onError);
  const query = () => mdns.query({ questions: [{ name, type: "A" }] });
  const timer = setInterval(query, ASK_EVERY_MS);
  const answer = new Promise<string>((resolve) => {
    mdns.on("response", ({ answers, additionals }: { answers: Answer[]; additionals: Answer[] }) => {
      const found = [...answers, ...additionals].find((one) => one.type === "A" && one.name.toLowerCase() === name);
      if (typeof found?.data === "string") resolve(found.data);
    });
    query();
  });
  return {
    answer,
    stop() {
      clearInterval(timer);
      bonjour.destroy();
    },
  };
}

function after(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());
}
