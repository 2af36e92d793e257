import pg from "pg";
import type { PostgresPlace } from "../db/place.ts";
import { clientConfig, unreachable } from "../db/postgres.ts";

/** Long before a lease ends. */
const WITHIN_MS = 2_000;

/**
 * A connection of its own for the statements of a lease: nothing else that the server asks of its database holds them
 * up. One that does not answer is given up, and the next statement makes another.
 */
export class BeatLine {
  readonly #place: PostgresPlace;
  readonly #name: string;
  #client: Promise<pg.Client> | undefined;

  constructor(place: PostgresPlace, name: string) {
    this.#place = place;
    this.#name = name;
  }

  /** @throws {Fault} DATABASE_UNREACHABLE */
  async run(statement: string, values: readonly unknown[]): Promise<Readonly<Record<string, unknown>>[]> {
    this.#client ??= this.#connect();
    const connected = this.#client;
    try {
      const client = await connected;
      const { rows } = await client.query(statement, [...values]);
      return rows as Record<string, unknown>[];
    } catch (error) {
      if (this.#client === connected) this.#client = undefined;
      // With a statement under way this cuts the connection.
      void connected.then((client) => client.end()).catch(() => {});
      throw unreachable(this.#place, error);
    }
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    await client?.end().catch(() => {});
  }

  async #connect(): Promise<pg.Client> {
    const within = { connectionTimeoutMillis: WITHIN_MS, query_timeout: WITHIN_MS };
    const client = new pg.Client({ ...clientConfig(this.#place, this.#name), ...within });
    // Whoever uses it hears of it.
    client.on("error", () => {});
    await client.connect();
    return client;
  }
}
