import { Fault } from "../../fault.ts";
import { idsOf, MOST_CELL_LISTS } from "../../images/cell-lists.ts";
import { encodePack } from "../../images/pack.ts";
import type { CellAnswers, KeptPack } from "../contract.ts";
import type { CaptureClient } from "./client.ts";

type Answer = CellAnswers["packs"][number];
type Question = { readonly cellIds: Uint8Array } & PromiseWithResolvers<Answer>;

/**
 * Brings packs into the server's store and sends no cell that is there. One question is under way at a time; what is
 * asked meanwhile goes along with the next.
 */
export class CaptureSender {
  readonly #client: Pick<CaptureClient, "cells" | "keep">;
  #waiting: Question[] = [];
  #isAsking = false;
  #sentBytes = 0;

  constructor(client: Pick<CaptureClient, "cells" | "keep">) {
    this.#client = client;
  }

  /** Bytes of packs that were sent. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** For `scan`. */
  readonly keepPack = async (cells: readonly Uint8Array[], cellIds: Uint8Array): Promise<KeptPack> => {
    const answer = await this.#ask(cellIds);
    if ("digest" in answer) return answer;
    try {
      return await this.#send(cells, cellIds, answer.missing);
    } catch (error) {
      // A pack that the server counted on turned out to be damaged.
      if (!(error instanceof Fault) || error.code !== "CELL_MISSING") throw error;
      return this.#send(cells, cellIds, 0xffff);
    }
  };

  async #send(cells: readonly Uint8Array[], cellIds: Uint8Array, missing: number): Promise<KeptPack> {
    const isMissing = (_: unknown, place: number) => (missing & (1 << place)) !== 0;
    const sent = cells.filter(isMissing);
    let pack: Uint8Array = new Uint8Array();
    if (sent.length > 0) {
      const ids = Buffer.concat(idsOf(cellIds).filter(isMissing));
      pack = (await encodePack(sent, "zstd", { cellIds: ids })).bytes;
    }
    const kept = await this.#client.keep({ cellIds, pack });
    this.#sentBytes += pack.length;
    return kept;
  }

  #ask(cellIds: Uint8Array): Promise<Answer> {
    const question: Question = { cellIds, ...Promise.withResolvers<Answer>() };
    this.#waiting.push(question);
    void this.#askNext();
    return question.promise;
  }

  async #askNext(): Promise<void> {
    if (this.#isAsking || this.#waiting.length === 0) return;
    this.#isAsking = true;
    const asked = this.#waiting.splice(0, MOST_CELL_LISTS);
    try {
      const { packs } = await this.#client.cells(asked.map(({ cellIds }) => cellIds));
      for (const [index, question] of asked.entries()) {
        const answer = packs[index];
        if (answer === undefined) question.reject(tooFewAnswers());
        else question.resolve(answer);
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    } finally {
      this.#isAsking = false;
      void this.#askNext();
    }
  }
}

function tooFewAnswers(): Fault {
  return new Fault("SERVER_ANSWER", {
    what: "The server's answer about the cells of this disk cannot be used.",
    why: "It answers fewer questions than were asked.",
    fix: 'Use a boot image of the server\'s own version: "bootcast boot-image build".',
  });
}
