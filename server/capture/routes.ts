import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";
import {
  CaptureState,
  CellAnswers,
  FinishCapture,
  KeptPack,
  ManifestPiece,
  MOST_PIECE_BYTES,
} from "../../agent/contract.ts";
import { CELLS_PER_PACK } from "../../images/cell.ts";
import { decodeCellLists, decodeParcel, MOST_CELL_LISTS, mostParcelBytes } from "../../images/cell-lists.ts";
import { ID_BYTES } from "../../images/manifest.ts";
import { MAX_PACK_BYTES } from "../../images/pack.ts";
import type { Database } from "../db/database.ts";
import type { EventLog } from "../events.ts";
import { ofOneHost } from "../hosts/host-token.ts";
import type { Hosts } from "../hosts/hosts.ts";
import type { CaptureManifests } from "./manifests.ts";
import { type StandingCapture, standingCapture } from "./standing.ts";
import type { CaptureUploads } from "./uploads.ts";

export type CaptureRouteOptions = {
  readonly db: Database;
  readonly hosts: Hosts;
  readonly events: EventLog;
  readonly uploads: CaptureUploads;
  readonly manifests: CaptureManifests;
};

const OneCapture = Type.Object({ hostId: Type.String(), deployId: Type.Integer({ minimum: 1 }) });
const OnePiece = Type.Object({ ...OneCapture.properties, offset: Type.Integer({ minimum: 0 }) });
const MOST_LIST_BYTES = MOST_CELL_LISTS * (1 + CELLS_PER_PACK * ID_BYTES);

/** The order of a host has ended, and with it what is kept in memory and beside the store for it. */
const endings = ["deploy.cancelled", "deploy.ended", "deploy.host-failed", "deploy.host-done"];

/**
 * The routes of agent/contract.ts by which a host sends its disk. Each request is one of the host that holds the
 * order, for a capture that it has begun and that was not stopped.
 */
export function captureRoutes({
  db,
  hosts,
  events,
  uploads,
  manifests,
}: CaptureRouteOptions): FastifyPluginAsyncTypebox {
  return async (app) => {
    const ofHost = ofOneHost(hosts);
    const standing = (params: { hostId: string; deployId: number }): Promise<StandingCapture> =>
      standingCapture(db, params.hostId, params.deployId);
    const unsubscribe = events.subscribe(({ kind, deployId }) => {
      if (deployId === null || !endings.includes(kind)) return;
      uploads.forget(deployId);
      manifests.forget(deployId);
    });
    app.addHook("onClose", async () => unsubscribe());
    app.addContentTypeParser(
      "application/octet-stream",
      { parseAs: "buffer" },
      async (_: unknown, body: Buffer) => body,
    );

    app.post(
      "/agent/v1/hosts/:hostId/captures/:deployId/cells",
      { ...ofHost, bodyLimit: MOST_LIST_BYTES, schema: { params: OneCapture, response: { 200: CellAnswers } } },
      async (request) => {
        await standing(request.params);
        return uploads.answer(decodeCellLists(bytesOf(request.body)));
      },
    );

    app.post(
      "/agent/v1/hosts/:hostId/captures/:deployId/packs",
      {
        ...ofHost,
        bodyLimit: mostParcelBytes(MAX_PACK_BYTES),
        schema: { params: OneCapture, response: { 200: KeptPack } },
      },
      async (request) => uploads.keep(await standing(request.params), decodeParcel(bytesOf(request.body))),
    );

    app.put(
      "/agent/v1/hosts/:hostId/captures/:deployId/manifest/:offset",
      { ...ofHost, bodyLimit: MOST_PIECE_BYTES, schema: { params: OnePiece, response: { 200: ManifestPiece } } },
      async (request) => manifests.put(await standing(request.params), request.params.offset, bytesOf(request.body)),
    );

    app.post(
      "/agent/v1/hosts/:hostId/captures/:deployId/finish",
      { ...ofHost, schema: { params: OneCapture, body: FinishCapture, response: { 200: CaptureState } } },
      async (request) => manifests.finish(await standing(request.params), request.params.hostId, request.body),
    );
  };
}

/** A body of another type has another parser; then there are no bytes. */
function bytesOf(body: unknown): Uint8Array {
  return Buffer.isBuffer(body) ? body : new Uint8Array();
}
